//! Small explainable models over visitors' histories.
