//! What has happened, for good, and what follows from it
