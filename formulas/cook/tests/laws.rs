//! What holds of every formula, whatever is in it.
