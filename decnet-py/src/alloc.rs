//! The allocators of addresses and subnets.

use std::{
    net::Ipv4Addr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use decnet_topology::{DEFAULT_LAN_PREFIX, net};
use pyo3::{exceptions::PyTypeError, prelude::*};
use serde_json::Value;

use crate::{convert, errors::Raise as _, tree};

/// Hands out the addresses of one subnet.
#[pyclass(frozen, module = "decnet")]
pub(crate) struct IpAllocator(Mutex<decnet_topology::IpAllocator>);

impl IpAllocator {
    fn lock(&self) -> MutexGuard<'_, decnet_topology::IpAllocator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl IpAllocator {
    /// Creates an allocator for a subnet. All its addresses are free.
    #[new]
    #[pyo3(signature = (subnet: "Subnet"))]
    fn new(subnet: &Bound<'_, PyAny>) -> PyResult<Self> {
        let opened = decnet_topology::IpAllocator::new(convert::subnet(subnet, "a subnet")?);
        let addresses = opened.map_err(|error| error.raise(subnet.py()))?;
        Ok(Self(Mutex::new(addresses)))
    }

    /// The subnet.
    #[getter]
    fn subnet(&self) -> String {
        self.lock().subnet().to_string()
    }

    /// How many addresses are free.
    #[getter]
    fn available(&self) -> u64 {
        self.lock().available()
    }

    /// Returns the lowest free address above the last one handed out. If there is none, returns the lowest released address.
    fn next_free(&self, py: Python<'_>) -> PyResult<String> {
        let taken = self.lock().next_free();
        taken
            .map(|address| address.to_string())
            .map_err(|error| error.raise(py))
    }

    /// Reserves one address; idempotent.
    #[pyo3(signature = (address: "Address"))]
    fn reserve(&self, address: &Bound<'_, PyAny>) -> PyResult<()> {
        let address_read = read(address)?;
        self.lock()
            .reserve(address_read)
            .map_err(|error| error.raise(address.py()))
    }

    /// Releases an address; idempotent.
    #[pyo3(signature = (address: "Address"))]
    fn release(&self, address: &Bound<'_, PyAny>) -> PyResult<()> {
        let address = read(address)?;
        self.lock().release(address);
        Ok(())
    }

    /// Returns whether an address is free.
    #[pyo3(signature = (address: "Address"))]
    fn is_free(&self, address: &Bound<'_, PyAny>) -> PyResult<bool> {
        let address = read(address)?;
        Ok(self.lock().is_free(address))
    }

    fn __repr__(&self) -> String {
        format!("<IpAllocator {}: {} free>", self.subnet(), self.available())
    }
}

fn read(address: &Bound<'_, PyAny>) -> PyResult<Ipv4Addr> {
    let text = convert::address_text(address, "an address")?;
    text.parse()
        .map_err(|_| tree::AddressError::new_err(format!("`{text}` is not an IPv4 address of the form 10.0.0.2")))
}

/// Reads the length of a prefix. An impossible value counts as longer than any prefix.
fn length(prefix: &Bound<'_, PyAny>) -> PyResult<u8> {
    match convert::to_value(prefix) {
        Ok(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            let length = number.as_u64().and_then(|number| u8::try_from(number).ok());
            Ok(length.unwrap_or(u8::MAX))
        }
        Err(convert::Unfit::Value(_)) => Ok(u8::MAX),
        _ => Err(PyTypeError::new_err("the length of a prefix must be a whole number")),
    }
}

/// Hands out the subnets of one length from a range of addresses, and skips everything reserved.
#[pyclass(frozen, module = "decnet")]
pub(crate) struct SubnetAllocator(Mutex<decnet_topology::SubnetAllocator>);

impl SubnetAllocator {
    fn lock(&self) -> MutexGuard<'_, decnet_topology::SubnetAllocator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl SubnetAllocator {
    /// Creates an allocator for a pool: a CIDR, or its short form like `172.20`.
    #[new]
    #[pyo3(signature = (base: "Subnet", prefix: "int | None" = None, *, reserved: "Subnets | None" = None))]
    fn new(
        base: &Bound<'_, PyAny>,
        prefix: Option<&Bound<'_, PyAny>>,
        reserved: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = base.py();
        let text = convert::address_text(base, "a pool")?;
        let base = net::parse_base(&text)
            .map_err(|error| tree::coded(py, tree::AddressError::new_err(error.to_string()), error.code()))?;
        let prefix = prefix.map_or(Ok(DEFAULT_LAN_PREFIX), length)?;
        let mut pool = decnet_topology::SubnetAllocator::new(base, prefix).map_err(|error| error.raise(py))?;
        for subnet in convert::subnets(reserved, "reserved")? {
            pool.reserve(subnet);
        }
        Ok(Self(Mutex::new(pool)))
    }

    /// The range of addresses.
    #[getter]
    fn base(&self) -> String {
        self.lock().base().to_string()
    }

    /// The length of the subnets handed out.
    #[getter]
    fn prefix(&self) -> u8 {
        self.lock().prefix()
    }

    /// How many subnets are free.
    #[getter]
    fn available(&self) -> u64 {
        self.lock().available()
    }

    /// Returns the lowest subnet of the pool that overlaps no reserved subnet, and reserves it.
    fn next_free(&self, py: Python<'_>) -> PyResult<String> {
        let taken = self.lock().next_free();
        taken.map(|subnet| subnet.to_string()).map_err(|error| error.raise(py))
    }

    /// Reserves a subnet of any length, so that it is not handed out.
    #[pyo3(signature = (subnet: "Subnet"))]
    fn reserve(&self, subnet: &Bound<'_, PyAny>) -> PyResult<()> {
        let subnet = convert::subnet(subnet, "a subnet")?;
        self.lock().reserve(subnet);
        Ok(())
    }

    /// Returns whether a subnet is free: it overlaps nothing that is reserved or handed out.
    #[pyo3(signature = (subnet: "Subnet"))]
    fn is_free(&self, subnet: &Bound<'_, PyAny>) -> PyResult<bool> {
        let subnet = convert::subnet(subnet, "a subnet")?;
        Ok(self.lock().is_free(subnet))
    }

    fn __repr__(&self) -> String {
        format!("<SubnetAllocator {} by /{}>", self.base(), self.prefix())
    }
}
