//! Loading into candle.

use candle_core::Device;

use crate::{ReadError, Tensor, TensorInfo, TensorView};

impl TensorView<'_> {
    /// The tensor in candle, copied onto `device`.
    ///
    /// # Errors
    ///
    /// [`ReadError::Candle`] where candle has no such dtype (U16, U64, I8, BOOL, C64 and some of the
    /// 8-bit floats), or the device no room.
    pub fn to_candle(&self, device: &Device) -> Result<candle_core::Tensor, ReadError> {
        tensor(self.info(), self.shape(), self.bytes(), device)
    }
}

impl Tensor<'_> {
    /// The tensor in candle, read into memory and copied onto `device`.
    ///
    /// # Errors
    ///
    /// As [`TensorView::to_candle`] and [`Tensor::read`].
    pub fn to_candle(&self, device: &Device) -> Result<candle_core::Tensor, ReadError> {
        tensor(self.info(), self.shape(), &self.read_bytes()?, device)
    }
}

fn tensor(
    info: &TensorInfo,
    shape: &[usize],
    bytes: &[u8],
    device: &Device,
) -> Result<candle_core::Tensor, ReadError> {
    candle_core::DType::try_from(info.dtype)
        .and_then(|dtype| candle_core::Tensor::from_raw_buffer(bytes, dtype, shape, device))
        .map_err(|source| ReadError::Candle {
            tensor: info.name.clone(),
            dtype: info.dtype,
            source,
        })
}
