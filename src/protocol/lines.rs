//! Terminal bytes to clean lines.
