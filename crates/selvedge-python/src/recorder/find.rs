//! Where the values of a step lie.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use super::Recorder;
use crate::given::given_twice;
use crate::values::{self, Found, Piece, Tensors};

/// Values of a step, and what keeps them where they are.
pub(super) struct Given<'py> {
    /// For each tensor, where its values lie in the memory of the host.
    pub(super) sources: Vec<Option<Piece>>,
    pub(super) owners: Vec<values::Owner<'py>>,
    /// Tensors of CUDA devices, with their numbers.
    pub(super) devices: Vec<(usize, Bound<'py, PyAny>)>,
}

impl Recorder {
    /// Checks that what this rank has of a distributed tensor is the part that it records.
    fn check_part(&self, number: usize, value: &Bound<'_, PyAny>) -> PyResult<()> {
        static CHECK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = value.py();
        // One of another shape can have as many elements here.
        let placed = [
            value.getattr(intern!(py, "device_mesh"))?,
            value.getattr(intern!(py, "placements"))?,
            value.getattr(intern!(py, "shape"))?,
        ];
        let placed = PyTuple::new(py, placed)?;
        // Comparing runs code of Python, which may let another thread record: not under the lock.
        let known = self.placed.lock()[number]
            .as_ref()
            .map(|known| known.clone_ref(py));
        if let Some(known) = known
            && placed.eq(known)?
        {
            return Ok(());
        }
        let spec = &self.specs[number].spec;
        let part = spec
            .part
            .as_ref()
            .map(|part| (&part.global_shape, &part.offset));
        let check = CHECK.import(py, "selvedge._ranks", "check_part")?;
        check.call1((&spec.name, value, part))?;
        self.placed.lock()[number] = Some(placed.unbind());
        Ok(())
    }

    /// Finds where the values lie, and checks that they are those of their tensors. What is given stays held.
    pub(super) fn find<'py>(
        &self,
        py: Python<'py>,
        given: &[(usize, Bound<'py, PyAny>)],
    ) -> PyResult<Given<'py>> {
        let mut sources: Vec<Option<Piece>> = self.specs.iter().map(|_| None).collect();
        let mut owners = Vec::new();
        let mut devices = Vec::new();
        let mut closely = |number: usize, value| {
            let spec = &self.specs[number].spec;
            let check = |dtype, shape: &[i64]| {
                let declared = (spec.dtype, &*spec.shape);
                values::check_declared(py, &spec.name, declared, (dtype, shape))
            };
            if values::is_distributed(value)? {
                self.check_part(number, value)?;
            }
            let (piece, owner) = match values::locate(value, &spec.name, Some(spec.dtype), &check)?
            {
                Found::Host(piece, owner) => (piece, owner),
                Found::Device(tensor) => match tensor.of_cuda()? {
                    Some(tensor) => {
                        devices.push((number, tensor.clone()));
                        return Ok(None);
                    }
                    None => values::find(&tensor.to_host()?, &spec.name, Some(spec.dtype), &check)?,
                },
            };
            owners.extend(owner);
            Ok::<_, PyErr>(Some(piece))
        };
        let mut tensors = Tensors::default();
        // To ask for a sign lets other threads run, which may put values elsewhere: it comes before looking where they
        // are.
        let plain = |number: usize| &self.specs[number].plain;
        let asked = given
            .iter()
            .filter(|(number, _)| plain(*number).may_change_sign());
        let signed = tensors.may_have_signs(py, asked.map(|(_, value)| value))?;
        let mut seen = std::mem::take(&mut *self.seen.lock());
        seen.resize(self.specs.len(), None);
        let mut unknown = Vec::new();
        let mut is_given = vec![false; self.specs.len()];
        for (number, value) in given {
            let (number, may_change) = (*number, plain(*number).may_change_sign());
            if std::mem::replace(&mut is_given[number], true) {
                return Err(given_twice(py));
            }
            let found = match may_change && signed {
                true => None,
                false => tensors.plain(value, plain(number))?,
            };
            let piece = match found {
                Some((piece, found)) => {
                    if !may_change && seen[number] != Some(found) {
                        unknown.push((number, value));
                    }
                    Some(piece)
                }
                None => closely(number, value)?,
            };
            sources[number] = piece;
        }
        let signed = tensors.may_have_signs(py, unknown.iter().map(|(_, value)| *value))?;
        for (number, value) in unknown {
            let found = match signed {
                true => None,
                false => tensors.plain(value, plain(number))?,
            };
            let (piece, found) = found.unzip();
            sources[number] = match piece {
                Some(piece) => Some(piece),
                None => closely(number, value)?,
            };
            seen[number] = found;
        }
        *self.seen.lock() = seen;
        Ok(Given {
            sources,
            owners,
            devices,
        })
    }
}
