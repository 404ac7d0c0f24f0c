//! A loss with device tensors on a caller's stream.

use lossc_runtime::cuda::{CudaExecutor, DeviceCall, DeviceResiduals, DeviceTensor, Stream};
use lossc_runtime::{Balance, Call, CudaDevice, Executor, Random, Tensor};

use crate::Failure;
use crate::bundles::Subject;
use crate::device::{Graph, Memory, Queue};
use crate::golden;
use crate::pixels::{Kind, Pixels};
use crate::plans::Plan;

/// Bytes of NaN, as f32, f16 and bf16.
pub const POISON: u8 = 0xff;

/// The inputs, outputs and code of a call. Fields are dropped in this order: first those with work
/// on the queue, last the queue.
pub struct Fixture {
    executor: CudaExecutor,
    /// Residuals of the last call, for the next one.
    residuals: Option<DeviceResiduals>,
    shape: Vec<usize>,
    random: Random,
    host: Pixels,
    /// Inputs of the call, each with a copy.
    inputs: Vec<(Memory, Memory)>,
    gradient: Memory,
    loss: Memory,
    stream: Stream,
    pub queue: Queue,
}

/// Bits of a loss and its gradient.
pub struct Found {
    loss: u32,
    gradient: Vec<u8>,
}

impl Found {
    /// Reports where `found` differs.
    pub fn compare(&self, found: &Self) -> Result<(), Failure> {
        if self.loss != found.loss {
            let [expected, found] = [self.loss, found.loss].map(f32::from_bits);
            return Err(format!("the loss is {found}, expected {expected}").into());
        }
        if self.gradient.len() != found.gradient.len() {
            return Err("the gradient has another length".into());
        }
        match self.gradient.iter().zip(&found.gradient).position(|(expected, found)| expected != found) {
            Some(byte) => Err(format!("the gradient differs from byte {byte} on").into()),
            None => Ok(()),
        }
    }
}

impl Fixture {
    pub fn new(
        device: &CudaDevice,
        subject: &Subject,
        shape: &[usize],
        random: Random,
    ) -> Result<Self, Failure> {
        let executor = subject.cuda_executor(device)?;
        let queue = Queue::new()?;
        let host = subject.pixels(shape, Kind::Bell)?;
        let copies =
            |tensor: &Tensor| Ok((Memory::copy_of(tensor, &queue)?, Memory::copy_of(tensor, &queue)?));
        let inputs = host.tensors().iter().map(copies).collect::<Result<_, Failure>>()?;
        let gradient = Memory::new(host.tensors()[0].bytes().len())?;
        Ok(Self {
            executor,
            residuals: None,
            shape: shape.to_vec(),
            random,
            host,
            inputs,
            gradient,
            loss: Memory::new(size_of::<f32>())?,
            stream: queue.borrow(device),
            queue,
        })
    }

    /// Launches later calls by `plan`.
    pub fn launch_by(&mut self, plan: Plan) {
        self.executor.set_overrides(plan.overrides);
    }

    /// The results of the call with host tensors, which the golden bits cover.
    pub fn expected(&mut self) -> Result<Found, Failure> {
        let views = self.host.views();
        let call = Call { random: self.random, ..Call::new(&views) };
        let (outcome, gradients) = self.executor.forward_backward(&call)?;
        let gradient = golden::only(gradients)?;
        Ok(Found { loss: outcome.loss.to_bits(), gradient: gradient.bytes().to_vec() })
    }

    /// Queues both directions.
    pub fn run(&mut self) -> Result<(), Failure> {
        let (pixels, gradients) = (self.pixels()?, self.gradients()?);
        let call = DeviceCall { pixels: &pixels, balance: Balance::Image, random: self.random, scalars: &[] };
        let (executor, stream) = (&mut self.executor, &self.stream);
        let residuals = match self.residuals.take() {
            None => executor.forward_backward_on_device(&call, &gradients, stream)?,
            Some(mut residuals) => {
                executor.forward_backward_reusing_on_device(&call, &gradients, &mut residuals, stream)?;
                residuals
            }
        };
        let residuals = self.residuals.insert(residuals);
        // SAFETY: the residuals are freed in the order of the queue, after the copy.
        unsafe { self.loss.copy_from(residuals.loss_pointer(), size_of::<f32>(), &self.queue) }
    }

    /// Queues the forward direction; the loss stays in the residuals.
    pub fn run_forward(&mut self) -> Result<(), Failure> {
        let pixels = self.pixels()?;
        let call = DeviceCall { pixels: &pixels, balance: Balance::Image, random: self.random, scalars: &[] };
        match &mut self.residuals {
            None => self.residuals = Some(self.executor.forward_on_device(&call, &self.stream)?),
            Some(residuals) => self.executor.forward_reusing_on_device(&call, residuals, &self.stream)?,
        }
        Ok(())
    }

    /// Number of passes of both directions.
    pub fn passes(&self) -> usize {
        self.executor.manifest().forward_backward.len()
    }

    /// Captures both directions as a graph, after a call that has prepared for the shape.
    pub fn capture(&mut self) -> Result<Graph, Failure> {
        self.run()?;
        self.queue.wait()?;
        self.queue.begin_capture()?;
        let worked = self.run();
        // The capture must end even if the call failed.
        let graph = self.queue.end_capture();
        worked?;
        graph
    }

    /// Waits, and reads the results of the last call.
    pub fn read(&self) -> Result<Found, Failure> {
        let loss = self.loss.read(0, size_of::<f32>(), &self.queue)?;
        let loss = loss.first_chunk().copied().map(u32::from_le_bytes).unwrap_or_default();
        Ok(Found { loss, gradient: self.gradient.read(0, self.gradient.length(), &self.queue)? })
    }

    /// Queues zeros for the inputs.
    pub fn clear_inputs(&self) -> Result<(), Failure> {
        self.inputs.iter().try_for_each(|(memory, _)| memory.fill(0, &self.queue))
    }

    /// Queues the original inputs.
    pub fn restore_inputs(&self) -> Result<(), Failure> {
        self.inputs.iter().try_for_each(|(memory, original)| {
            // SAFETY: the original is as long, and lives as long as the queue.
            unsafe { memory.copy_from(original.pointer(), original.length(), &self.queue) }
        })
    }

    /// Queues NaN, which no call here returns, for loss and gradient: memory that a call leaves
    /// unwritten shows, also where it should be 0.
    pub fn poison_outputs(&self) -> Result<(), Failure> {
        self.loss.fill(POISON, &self.queue)?;
        self.gradient.fill(POISON, &self.queue)
    }

    /// Queues a copy of one logit tensor over the gradient, as the measure of the device's memory
    /// bandwidth.
    pub fn copy(&self) -> Result<(), Failure> {
        let (logits, _) = &self.inputs[0];
        // SAFETY: the logits live as long as the queue.
        unsafe { self.gradient.copy_from(logits.pointer(), logits.length(), &self.queue) }
    }

    fn pixels(&self) -> Result<Vec<DeviceTensor>, Failure> {
        let inputs = self.inputs.iter().zip(self.host.tensors());
        inputs.map(|((memory, _), host)| memory.tensor(host.element_type(), &self.shape)).collect()
    }

    fn gradients(&self) -> Result<Vec<DeviceTensor>, Failure> {
        let outputs = self.executor.manifest().pixel_outputs.iter();
        outputs.map(|output| self.gradient.tensor(output.element, &self.shape)).collect()
    }
}
