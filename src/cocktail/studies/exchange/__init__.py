"""Results for others: RO-Crate, Every Eval Ever, lm-evaluation-harness, the Hub."""
