//! A disk of memory that fails when told to, and forgets what was not synced: of a file any
//! sectors in any order, of the directory any changes in any order.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Disk, DiskFile};

/// Deterministic pseudo-random numbers (splitmix64), for seeded tests.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    names: Names,
    /// What `names` was at the last sync of the directory.
    durable: Names,
    /// What was done to `names` since.
    changes: Vec<Change>,
    /// Operations so far.
    steps: u64,
    /// These steps fail.
    failing: std::ops::Range<u64>,
}

type Names = BTreeMap<String, Arc<Mutex<Inode>>>;

/// One change of the directory, which a power loss keeps or forgets whole.
#[derive(Clone)]
enum Change {
    Created(String, Arc<Mutex<Inode>>),
    Renamed(String, String, Arc<Mutex<Inode>>),
    Removed(String),
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Change::Created(name, inode) => drop(names.insert(name.clone(), Arc::clone(inode))),
            Change::Renamed(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), Arc::clone(inode));
            }
            Change::Removed(name) => drop(names.remove(name)),
        }
    }
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// So many of them survive a power loss.
    durable: usize,
    /// A sync failed: as on Linux the next says all is well, but nothing becomes durable.
    lost: bool,
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    inode: Arc<Mutex<Inode>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after {} steps", self.names.keys(), self.steps)
    }
}

impl std::fmt::Debug for Inode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, {} durable", self.bytes.len(), self.durable)
    }
}

impl State {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl FaultyDisk {
    /// Makes the operations numbered `range` fail, counted from the disk's first.
    pub(crate) fn fail(&self, range: std::ops::Range<u64>) {
        self.lock().failing = range;
    }

    /// Operations so far.
    pub(crate) fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// The power goes: what was synced stays, of the rest whatever the dice say.
    pub(crate) fn crash(&self, dice: &mut Dice) -> FaultyDisk {
        let state = self.lock();
        let mut names = state.durable.clone();
        let kept = Kept::roll(state.changes.len(), dice);
        for (at, change) in state.changes.iter().enumerate() {
            if kept.keeps(at, dice) {
                change.apply(&mut names);
            }
        }
        let survivors = names
            .iter()
            .map(|(name, inode)| {
                (name.clone(), Arc::new(Mutex::new(torn(&inode.lock().unwrap(), dice))))
            })
            .collect::<Names>();
        FaultyDisk::holding(survivors)
    }

    fn holding(names: Names) -> FaultyDisk {
        let state = State { durable: names.clone(), names, ..State::default() };
        FaultyDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// An independent copy in which one file is cut.
    pub(crate) fn with_cut(&self, cut: &str, len: usize) -> FaultyDisk {
        let state = self.lock();
        let copy = |(name, inode): (&String, &Arc<Mutex<Inode>>)| {
            let mut inode = inode.lock().unwrap().clone();
            if name == cut {
                inode.bytes.truncate(len);
            }
            inode.durable = inode.bytes.len();
            (name.clone(), Arc::new(Mutex::new(inode)))
        };
        FaultyDisk::holding(state.names.iter().map(copy).collect())
    }

    /// Turns a bit of a file.
    pub(crate) fn turn_bit(&self, name: &str, at: usize) {
        self.lock().names[name].lock().unwrap().bytes[at] ^= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn step(&self, kind: &'static str) -> io::Result<()> {
        let mut state = self.lock();
        let step = state.steps;
        state.steps += 1;
        if state.failing.contains(&step) {
            Err(io::Error::other(format!("{kind} fails at step {step}")))
        } else {
            Ok(())
        }
    }

    fn find(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.lock().names.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FaultyFile { disk: self.clone(), inode }))
    }
}

/// Which of several unsynced things survive: none, all, the first of them, or any.
enum Kept {
    First(usize),
    Any,
}

impl Kept {
    fn roll(count: usize, dice: &mut Dice) -> Kept {
        match dice.below(4) {
            0 => Kept::First(0),
            1 => Kept::First(count),
            2 => Kept::First(dice.below(count as u64 + 1) as usize),
            _ => Kept::Any,
        }
    }

    fn keeps(&self, at: usize, dice: &mut Dice) -> bool {
        match self {
            Kept::First(count) => at < *count,
            Kept::Any => dice.one_in(2),
        }
    }
}

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;

/// Unsynced bytes survive sector by sector; the length of the file is that of the whole, of what
/// was synced, or anything between. What did not survive reads as zeros.
fn torn(inode: &Inode, dice: &mut Dice) -> Inode {
    let unsynced = inode.bytes.len() - inode.durable;
    let longer = match dice.below(4) {
        0 => 0,
        1 => unsynced,
        _ => dice.below(unsynced as u64 + 1) as usize,
    };
    let mut bytes = inode.bytes[..inode.durable + longer].to_vec();
    let first = inode.durable / SECTOR;
    let kept = Kept::roll(bytes.len().div_ceil(SECTOR) - first.min(bytes.len() / SECTOR), dice);
    for (at, sector) in bytes.chunks_mut(SECTOR).enumerate().skip(first) {
        if !kept.keeps(at - first, dice) {
            let synced = inode.durable.saturating_sub(at * SECTOR);
            sector[synced..].fill(0);
        }
    }
    Inode { durable: bytes.len(), bytes, lost: false }
}

impl Disk for FaultyDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.step("create")?;
        let mut state = self.lock();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.change(Change::Created(name.to_owned(), Arc::default()));
        drop(state);
        self.find(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.step("open")?;
        self.find(name)
    }

    fn reopen(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.step("reopen")?;
        self.find(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step("rename")?;
        let mut state = self.lock();
        let inode = state.names.get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        state.change(Change::Renamed(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.step("remove")?;
        let mut state = self.lock();
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Change::Removed(name.to_owned()));
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.step("list")?;
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.step("sync_dir")?;
        let mut state = self.lock();
        state.durable = state.names.clone();
        state.changes.clear();
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let result = self.disk.step("append");
        let mut inode = self.inode.lock().unwrap();
        // A write that fails has written a part.
        let written = if result.is_ok() { bytes.len() } else { bytes.len() / 2 };
        inode.bytes.extend_from_slice(&bytes[..written]);
        result
    }

    fn sync(&self) -> io::Result<()> {
        let result = self.disk.step("sync");
        let mut inode = self.inode.lock().unwrap();
        inode.lost |= result.is_err();
        if !inode.lost {
            inode.durable = inode.bytes.len();
        }
        result
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.step("read")?;
        let inode = self.inode.lock().unwrap();
        let from = inode.bytes.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.step("len")?;
        Ok(self.inode.lock().unwrap().bytes.len() as u64)
    }
}
