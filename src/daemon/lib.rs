//! Puts the house together and opens its doors
