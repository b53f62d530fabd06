use indicatif::{ProgressBar, ProgressStyle};

/// Shows on stderr how far a simulation is, if that is a terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn start(name: &str, seeds: u64, windows: u32) -> Self {
        let bar = ProgressBar::new(seeds * u64::from(windows)).with_style(style());
        bar.set_message(name.to_owned());
        Self(bar)
    }

    /// Another window of some run is over.
    pub(crate) fn advance(&self) {
        self.0.inc(1);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    // The template is constant; if it were wrong, a plain bar would do.
    ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}, {pos} of {len} windows, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
