//! How others control rates, from what they published.
