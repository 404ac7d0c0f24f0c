//! Order of calls among the caller's own work.

use std::time::{Duration, Instant};

use lossc_runtime::CudaDevice;

use super::{RANDOM, SHAPE, passed};
use crate::Failure;
use crate::bundles::Subject;
use crate::fixture::Fixture;
use crate::report::Verdict;

/// Duration of the producer; input that is read earlier is wrong.
const PRODUCER: Duration = Duration::from_millis(100);

/// Checks that the device, not the host, waits for inputs that a stream produces late.
pub fn slow_producer(device: &CudaDevice, subject: &Subject) -> Result<Verdict, Failure> {
    let mut fixture = Fixture::new(device, subject, &SHAPE, RANDOM)?;
    let expected = fixture.expected()?;
    fixture.run()?;
    fixture.clear_inputs()?;
    fixture.poison_outputs()?;
    fixture.queue.wait()?;
    fixture.queue.sleep(PRODUCER)?;
    fixture.restore_inputs()?;
    let start = Instant::now();
    fixture.run()?;
    let held = start.elapsed();
    expected.compare(&fixture.read()?)?;
    if held > PRODUCER / 2 {
        return Err(format!("queuing took {held:.0?}: the host waited for the stream").into());
    }
    Ok(passed(format!("waits {PRODUCER:?} for its inputs, the host does not")))
}

/// Checks that a captured call can be replayed, and reads the current contents of its inputs.
pub fn graph(device: &CudaDevice, subject: &Subject) -> Result<Verdict, Failure> {
    let mut fixture = Fixture::new(device, subject, &SHAPE, RANDOM)?;
    let expected = fixture.expected()?;
    fixture.clear_inputs()?;
    fixture.run()?;
    let of_zeros = fixture.read()?;
    let graph = fixture.capture()?;
    // At most one launch per pass, and what the check itself does with the loss.
    let (nodes, most) = (graph.nodes()?, fixture.passes() + 1);
    if nodes > most {
        return Err(format!("the graph has {nodes} nodes where {most} would do").into());
    }
    fixture.poison_outputs()?;
    graph.launch(&fixture.queue)?;
    of_zeros.compare(&fixture.read()?).map_err(|error| format!("on zeros: {error}"))?;
    fixture.restore_inputs()?;
    for replay in 0..3 {
        fixture.poison_outputs()?;
        graph.launch(&fixture.queue)?;
        expected.compare(&fixture.read()?).map_err(|error| format!("replay {replay}: {error}"))?;
    }
    Ok(passed(format!("captured once in {nodes} nodes, replayed with other inputs")))
}
