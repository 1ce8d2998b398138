//! Nothing but benches; see `benches/codec.rs`.
