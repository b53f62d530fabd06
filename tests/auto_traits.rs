//! What every layer and service can be used with: asserted, not assumed.
