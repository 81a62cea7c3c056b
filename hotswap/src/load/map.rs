//! Mapping an image into the program, once its bytes have been found to fit.
//!
//! glibc tells libraries apart by path and by inode, and gives back an old one where it takes two for the same. So every
//! image is written to a sealed file in memory with a name of its own, which stays open for as long as it is mapped; and
//! what comes back has to be new.

#![expect(unsafe_code, reason = "opening a library runs its constructors, and its symbols have no types")]

use std::error::Error as _;
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::load::abi::{ABI, Code, DONE, MAGIC, ROOT, Root, Table};
use crate::load::envelope::Digest;
use crate::load::error::MapError;
use crate::load::guest::Member;
use crate::load::inspect::{Manifest, inspect};
use crate::load::{host, note, reap};
use crate::loaded::{Guest, GuestLine};

/// An image that has been mapped, with its machines.
pub(crate) struct Arrived {
    pub(crate) image: Arc<Mapped>,
    /// One for each machine, the same for as long as the image is there.
    pub(crate) guests: Vec<Arc<dyn Guest>>,
}

/// One mapped image. Every guest, and so every state, holds it; when the last lets go it is handed to the reaper.
#[derive(Debug)]
pub(crate) struct Mapped {
    name: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    digest: String,
    /// Always there but while it is dropped.
    held: Option<Held>,
}

/// What keeps an image mapped.
#[derive(Debug)]
pub(crate) struct Held {
    /// Unique in the process; it stands in the list of mappings.
    pub(crate) name: String,
    pub(crate) library: Library,
    /// Open for as long as the image is mapped: another file under its path would be taken for it.
    pub(crate) memory: OwnedFd,
    pub(crate) quiesce: unsafe extern "C" fn() -> Code,
}

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Whether this platform can load images.
///
/// # Errors
///
/// Where it can, none.
#[expect(clippy::unnecessary_wraps, reason = "as where it cannot")]
pub(crate) fn supported() -> Result<(), MapError> {
    Ok(())
}

/// Maps an image of this digest and readies it.
///
/// # Errors
///
/// [`MapError`]; nothing of the image stays.
///
/// # Safety
///
/// The image's constructors run, and later its steps and migrations, with all the rights of the program, and nothing
/// that is checked here tells whether they are sound: the notes and tables prove that an image fits, not that it is
/// honest. Its bytes must be those of someone who is trusted as the program's own authors are.
pub(crate) unsafe fn load(image: &[u8], digest: &Digest) -> Result<Arrived, MapError> {
    let manifest = inspect(image)?;
    manifest.check()?;
    reap::start().map_err(MapError::Reaper)?;
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let name = format!("hotswap-{serial:06}");
    let memory = sealed(&name, image).map_err(MapError::Memory)?;
    // SAFETY: the caller answers for what runs.
    let (held, root) = unsafe { open(name, memory) }?;
    // SAFETY: the library is held, and what it is has been found out.
    match unsafe { ready(root, serial, &manifest) } {
        Ok(tables) => Ok(arrive(held, digest, tables)),
        Err(error) => {
            reap::queue(held);
            Err(error)
        }
    }
}

fn arrive(held: Held, digest: &Digest, tables: Vec<(GuestLine, &'static Table)>) -> Arrived {
    let image = Arc::new(Mapped { name: held.name.clone(), digest: digest.to_string(), held: Some(held) });
    let guest = |(line, table)| Arc::new(Member::new(Arc::clone(&image), table, line)) as Arc<dyn Guest>;
    Arrived { guests: tables.into_iter().map(guest).collect(), image: Arc::clone(&image) }
}

/// A file in memory that nobody can change any more: what was inspected is what is mapped.
fn sealed(name: &str, image: &[u8]) -> io::Result<OwnedFd> {
    let memory = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(memory);
    file.write_all(image)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file.into())
}

/// The path under which the loader finds a file in memory.
pub(crate) fn path(memory: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", memory.as_raw_fd())
}

/// Opens the library and finds its root.
///
/// # Safety
///
/// The library's constructors run.
unsafe fn open(name: String, memory: OwnedFd) -> Result<(Held, NonNull<Root>), MapError> {
    // what the loader says stands behind what `libloading` does
    let refused = |error: libloading::Error| MapError::Refused {
        what: error.source().map_or_else(|| error.to_string(), ToString::to_string),
    };
    // SAFETY: the caller answers for the constructors; unresolved symbols are refused at once.
    let library = unsafe { Library::open(Some(path(&memory)), RTLD_NOW | RTLD_LOCAL) }.map_err(refused)?;
    // SAFETY: the symbol is used as a pointer only, until the front of what it points to has been looked at.
    let root = unsafe { library.get::<*mut Root>(ROOT) }.map_err(refused)?;
    let Some(root) = NonNull::new(*root) else { return Err(differs("its root is nowhere")) };
    if !is_within(&name, root.addr().get()).map_err(MapError::Memory)? {
        return Err(MapError::NotNew);
    }
    // SAFETY: the symbol is that of a whole image, whose note says that it has this boundary; only the front, which
    // every boundary has, is read before that is sure.
    let (magic, abi, size) = unsafe { ((*root.as_ptr()).magic, (*root.as_ptr()).abi, (*root.as_ptr()).size) };
    if magic != MAGIC || abi != ABI || (size as usize) < size_of::<Root>() {
        return Err(differs("its root is of another boundary"));
    }
    // SAFETY: the root is as large as it has to be.
    let quiesce = unsafe { root.as_ref() }.quiesce;
    Ok((Held { name, library, memory, quiesce }, root))
}

fn differs(what: impl Into<String>) -> MapError {
    MapError::Differs { what: what.into() }
}

/// Introduces the program to the image, and takes its tables if they are what its notes announce.
///
/// # Safety
///
/// The root is that of a library which stays open for as long as what is returned is used.
unsafe fn ready(
    root: NonNull<Root>,
    serial: u64,
    manifest: &Manifest,
) -> Result<Vec<(GuestLine, &'static Table)>, MapError> {
    // SAFETY: `open` has looked at it.
    let root = unsafe { root.as_ref() };
    let services = host::services(serial);
    // SAFETY: the table is lent for the call, and its functions are the program's own.
    if unsafe { (root.init)(&raw const services) } != DONE {
        return Err(differs("it could not be readied"));
    }
    let mut tables: Vec<*const Table> = Vec::new();
    // SAFETY: `visit` gets back the vector that is lent for the call.
    unsafe { (root.machines)(visit, (&raw mut tables).cast()) };
    let described = |table: *const Table| {
        // SAFETY: a table is a constant of the image, and begins with its size.
        if (unsafe { (&raw const (*table).size).read() } as usize) < size_of::<Table>() {
            return Err(differs("a table of it is too small"));
        }
        // SAFETY: it is all there, and stays as long as the library.
        let table: &'static Table = unsafe { &*table };
        // SAFETY: the description is a constant of the image.
        let description = unsafe { table.description.get() };
        let line = note::read_machine(description).map_err(|what| differs(format!("a table of it: {what}")))?;
        Ok((line, table))
    };
    let tables = tables.into_iter().map(described).collect::<Result<Vec<_>, _>>()?;
    let announced = |line: &GuestLine| manifest.machines.iter().filter(|other| *other == line).count() == 1;
    if tables.len() == manifest.machines.len() && tables.iter().all(|(line, _)| announced(line)) {
        Ok(tables)
    } else {
        Err(differs("its machines are not those that its notes announce"))
    }
}

unsafe extern "C" fn visit(tables: *mut c_void, table: *const Table) {
    // SAFETY: `ready` lent the vector.
    unsafe { &mut *tables.cast::<Vec<*const Table>>() }.push(table);
}

impl Mapped {
    /// Its name, as it stands in the process's list of mappings.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of its bytes, in hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}

/// Whoever drops the last handle may be serving, or be inside a lock: the reaper unmaps it.
impl Drop for Mapped {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            reap::queue(held);
        }
    }
}

/// Whether code of an image of this name is in the process's list of mappings.
///
/// Its file may be there longer: who prints a backtrace reads names from it, and the standard library keeps it for the next.
pub(crate) fn is_mapped(name: &str) -> io::Result<bool> {
    any_mapping(name, |_, rights| rights.contains('x'))
}

/// Whether an address is in an image of this name: what has come is that image, and not one that was there before.
fn is_within(name: &str, address: usize) -> io::Result<bool> {
    any_mapping(name, |range, _| {
        let (from, to) = range.split_once('-').unwrap_or_default();
        let number = |hex| usize::from_str_radix(hex, 16);
        matches!((number(from), number(to)), (Ok(from), Ok(to)) if (from..to).contains(&address))
    })
}

/// Whether `is` holds for the addresses and the rights of a mapping of this image.
fn any_mapping(name: &str, is: impl Fn(&str, &str) -> bool) -> io::Result<bool> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let file = format!(" /memfd:{name} ");
    Ok(maps.lines().filter(|line| line.contains(&file)).any(|line| {
        let mut words = line.split(' ');
        is(words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }))
}
