//! Web sessions that lose nothing: the session core, its store trait, codecs, signals and conformance suite.
