pub(crate) mod naive;
pub(crate) mod vectors;
