//! The command line: knows the wire, not the house
