//! Reports as folds over visitors' histories.
