//! Who watches whom: one table, and the actor that keeps it
