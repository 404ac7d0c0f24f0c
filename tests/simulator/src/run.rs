//! A loss on a simulated device, launch by launch as in the CUDA executor.

use lossc_runtime::cuda::plan::{self, Arrays, Entry, Launch, LaunchOverrides, Team};
use lossc_runtime::manifest::{Direction, UPSTREAM};
use lossc_runtime::{Manifest, Residuals, TensorView};

use crate::code::Code;
use crate::device::{Device, Grid};
use crate::fault::Fault;
use crate::memory::{Access, Buffer, Memory};

/// Device that launches are planned for.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Overrides of the plan.
    pub overrides: LaunchOverrides,
    /// Blocks that the device holds at the same time.
    pub blocks: usize,
    /// Bytes of shared memory that each of them may have besides its own.
    pub shared_bytes: usize,
}

impl plan::Device for Machine {
    fn processors(&self) -> usize {
        self.blocks
    }

    fn resident(&self, _: Team, shared_bytes: usize) -> usize {
        if shared_bytes <= self.shared_bytes { self.blocks } else { 0 }
    }
}

/// A compiled loss.
#[derive(Clone, Copy)]
pub struct Loss<'a> {
    /// Its kernels.
    pub code: &'a Code,
    /// Description of the kernels' arguments.
    pub manifest: &'a Manifest,
}

/// Arguments of a call.
#[derive(Clone, Copy)]
pub struct Tensors<'a> {
    /// The pixel inputs.
    pub pixels: &'a [TensorView<'a>],
    /// Elements from an aligned address to the first of each tensor of pixels.
    pub misalignment: usize,
    /// Values known before the call: zeros, or those that the forward direction left.
    pub residuals: &'a Residuals,
    /// The scale of the gradient, unless it is the residuals'.
    pub upstream: Option<f32>,
}

/// Results of a call in device memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Like [`Residuals::group_totals`].
    pub group_totals: Vec<u64>,
    /// Like [`Residuals::scalars`].
    pub scalars: Vec<u64>,
    /// Like [`Residuals::results`].
    pub results: Vec<u64>,
    /// The bytes of the pixel outputs; empty for those that no kernel writes.
    pub gradients: Vec<Vec<u8>>,
}

impl Loss<'_> {
    /// Runs the launches of a direction one after the other.
    ///
    /// # Errors
    /// The first fault.
    ///
    /// # Panics
    /// If a launch leaves memory in a state that the next one cannot start from, or does not write
    /// all of a gradient.
    pub fn run(
        self,
        device: &mut Device,
        tensors: &Tensors<'_>,
        direction: Direction,
        machine: &Machine,
    ) -> Result<Step, Fault> {
        let layout = tensors.residuals.layout();
        let launches = plan::launches(self.manifest, layout, direction, machine, machine.overrides);
        self.launch(device, tensors, &launches)
    }

    fn launch(self, device: &mut Device, tensors: &Tensors<'_>, launches: &[Launch]) -> Result<Step, Fault> {
        let mut memory = Memory::default();
        let buffers = Buffers::new(&mut memory, self.manifest, tensors, launches);
        let residuals = tensors.residuals;
        let (arrays, pixels) = buffers.pointers(&memory);
        let parameters = plan::parameters(residuals.layout(), residuals.random(), &arrays, &pixels);
        for launch in launches {
            let grid = Grid {
                blocks: launch.blocks as u32,
                threads: plan::THREADS,
                dynamic_shared_bytes: launch.shared_bytes,
                cooperative: is_cooperative(launch),
            };
            let function = launch.entry.function(launch.kernel);
            device.launch(self.code, &function, grid, &launch.parameters(&parameters), &mut memory)?;
        }
        let mut planes = plan::planes(residuals.layout());
        *planes.last_mut().expect("the flag") +=
            launches.iter().filter(|it| is_cooperative(it)).count() as i64;
        assert!(memory.bytes(buffers.planes) == bytes(&planes), "a ticket is not 0 after a launch");
        let writes = |launch: &Launch| match launch.entry {
            Entry::Pass(_) => self.manifest.kernels[launch.kernel].outputs,
            Entry::Epilogue => false,
            Entry::Cooperative(_) => true,
        };
        Ok(buffers.read(&memory, launches.iter().any(writes)))
    }
}

fn is_cooperative(launch: &Launch) -> bool {
    matches!(launch.entry, Entry::Cooperative(_))
}

fn bytes(words: &[i64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The buffers of a call.
struct Buffers {
    planes: Buffer,
    scalars: Buffer,
    group_totals: Buffer,
    workspace: Buffer,
    results: Buffer,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
}

impl Buffers {
    fn new(memory: &mut Memory, manifest: &Manifest, tensors: &Tensors<'_>, launches: &[Launch]) -> Self {
        let (residuals, layout) = (tensors.residuals, tensors.residuals.layout());
        let workspace =
            launches.iter().filter_map(|it| plan::workspace_bytes(manifest, layout, it.kernel)).max();
        let inputs = manifest.pixel_inputs.iter().zip(tensors.pixels).map(|(argument, view)| {
            let size = argument.element.size();
            memory.upload(&argument.name, view.bytes(), Access::Read, tensors.misalignment * size, size)
        });
        let inputs = inputs.collect();
        let outputs = manifest.pixel_outputs.iter().map(|argument| {
            let size = argument.element.size();
            let bytes = layout.pixels() * size;
            memory.allocate(&argument.name, bytes, Access::Workspace, tensors.misalignment * size, size)
        });
        let outputs = outputs.collect();
        let mut scalars = residuals.scalars().to_vec();
        if let (Some(value), Some(slot)) = (tensors.upstream, manifest.scalar_slot(UPSTREAM)) {
            scalars[slot] = u64::from(value.to_bits());
        }
        let words = |values: &[u64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
        Self {
            planes: memory.upload("planes", &bytes(&plan::planes(layout)), Access::Write, 0, 8),
            scalars: memory.upload("scalars", &words(&scalars), Access::Write, 0, 8),
            group_totals: memory.upload(
                "group_totals",
                &words(residuals.group_totals()),
                Access::Write,
                0,
                8,
            ),
            workspace: memory.allocate("workspace", workspace.unwrap_or(0), Access::Workspace, 0, 4),
            results: memory.upload("results", &words(residuals.results()), Access::Write, 0, 8),
            inputs,
            outputs,
        }
    }

    fn pointers(&self, memory: &Memory) -> (Arrays, Vec<u64>) {
        let pointer = |buffer| memory.pointer(buffer);
        let arrays = Arrays {
            planes: pointer(self.planes),
            scalars: pointer(self.scalars),
            group_totals: pointer(self.group_totals),
            workspace: pointer(self.workspace),
            results: pointer(self.results),
        };
        (arrays, self.inputs.iter().chain(&self.outputs).map(|&buffer| pointer(buffer)).collect())
    }

    /// # Panics
    /// If outputs should be written, and are not complete.
    fn read(&self, memory: &Memory, has_outputs: bool) -> Step {
        let words = |buffer| {
            let (words, _) = memory.bytes(buffer).as_chunks::<8>();
            words.iter().map(|word| u64::from_le_bytes(*word)).collect::<Vec<_>>()
        };
        let outputs = self.outputs.iter().filter(|_| has_outputs);
        let gradients = outputs.map(|&output| {
            assert!(memory.is_written(output), "a pixel output is not wholly written");
            memory.bytes(output).to_vec()
        });
        Step {
            group_totals: words(self.group_totals),
            scalars: words(self.scalars),
            results: words(self.results),
            gradients: gradients.collect(),
        }
    }
}
