//! What can be decided from the ledger alone
