//! What the metrics tell of every switch, as Prometheus reads it: where the program renders none itself.

use std::sync::{Arc, LazyLock};

use ::metrics::with_local_recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use super::api::Metrics;
use crate::metrics::refresh;

/// The upper ends of what durations are counted by, in seconds: steps take nanoseconds, and migrations of millions minutes.
const SECONDS: [f64; 19] = [
    1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 0.1, 0.5, 1.0, 5.0, 30.0,
    120.0,
];

/// One for the process: what was timed is told once, and has to be in every answer since.
static RECORDER: LazyLock<PrometheusRecorder> = LazyLock::new(|| {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS);
    builder.unwrap_or_default().build_recorder()
});

/// Tells a recorder of hotswap's own, and renders that. It is in nobody's way: the one that a program has installed is not
/// told of it.
pub(super) fn own() -> Metrics {
    Arc::new(|| {
        with_local_recorder(&*RECORDER, refresh);
        RECORDER.handle().render()
    })
}
