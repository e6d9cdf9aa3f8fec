//! What a town is made of: values and rules, no IO
