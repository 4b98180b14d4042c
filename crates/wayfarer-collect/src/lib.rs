//! Collectors of events: wire formats, log readers, enrichment, bots, reduction of personal data.
