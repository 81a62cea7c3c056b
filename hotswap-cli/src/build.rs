//! `hotswap build`: a machine's ordinary library crate, built as an image. Its manifest stays as it is: what an image needs
//! is said to cargo on the command line.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use cargo_metadata::{CrateType, DependencyKind, Message, Metadata, MetadataCommand, Package, TargetKind};
use hotswap::load::{self, Digest, InspectError};
use serde_json::json;

use crate::report::{Failure, Found};
use crate::write;

/// The package that a machine depends on, by its name in the registry.
const HOTSWAP: &str = "hotswap";

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of cargo's")]
pub(crate) struct Args {
    /// The package with the machine [default: the one of the folder]
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
    /// Its Cargo.toml, or that of its workspace
    #[arg(long, value_name = "FILE")]
    manifest_path: Option<PathBuf>,
    /// The profile to build with
    #[arg(long, default_value = "release", value_name = "NAME")]
    profile: String,
    /// Features of the package, as the running program has them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    features: Vec<String>,
    /// All features of the package
    #[arg(long)]
    all_features: bool,
    /// Not the default features of the package
    #[arg(long)]
    no_default_features: bool,
    /// The target triple of the running program, if it is not this machine's
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Optimise at link time if the profile says so, which takes seconds more
    #[arg(long)]
    lto: bool,
    /// Where cargo builds [default: `hotswap-image` in the target folder, so that ordinary builds stay fresh]
    #[arg(long, value_name = "FOLDER")]
    target_dir: Option<PathBuf>,
    /// Fail rather than change Cargo.lock
    #[arg(long)]
    locked: bool,
    /// Do without the network
    #[arg(long)]
    offline: bool,
    /// Where the image goes [default: `hotswap/<package>-<version>.so` in the target folder]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("cargo cannot be run: {0}")]
    NoCargo(io::Error),
    #[error("the package cannot be read: {0}")]
    Metadata(#[from] cargo_metadata::Error),
    #[error("{0}: {those}", those = candidates(.1))]
    WhichPackage(String, Vec<String>),
    #[error("package `{0}` has no library: move the machine from the program into `src/lib.rs`")]
    NoLibrary(String),
    #[error(
        "package `{0}` does not depend on `{HOTSWAP}`: add it to its `[dependencies]`, as the crate with `#[machine]` does"
    )]
    NoHotswap(String),
    #[error("the build failed ({0}): what cargo says of it is above")]
    Failed(ExitStatus),
    #[error("what cargo says cannot be read: {0}")]
    Messages(io::Error),
    #[error("cargo built no library that can be loaded, for a target that has none: name another with `--target`")]
    NoImage,
    #[error("what was built is no image: {0}")]
    Unfit(#[from] InspectError),
    #[error("{0} cannot be removed, and may be of another build: {1}")]
    Stale(PathBuf, io::Error),
}

impl BuildError {
    /// A name that stays, for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoCargo(_) => "no-cargo",
            Self::Metadata(_) => "metadata",
            Self::WhichPackage(..) => "which-package",
            Self::NoLibrary(_) => "no-library",
            Self::NoHotswap(_) => "no-hotswap",
            Self::Failed(_) => "build-failed",
            Self::Messages(_) => "messages",
            Self::NoImage => "no-image",
            Self::Unfit(_) => "unfit",
            Self::Stale(..) => "stale",
        }
    }
}

fn candidates(names: &[String]) -> String {
    if names.is_empty() {
        return format!("and none of its packages is a library that depends on `{HOTSWAP}`");
    }
    format!("name one with `--package`, of {}", names.join(", "))
}

pub(crate) fn run(args: &Args) -> Result<Found, Failure> {
    let metadata = metadata(args)?;
    let package = package(args, &metadata)?;
    let dependency = check(package)?;
    let target_dir = target_dir(args, &metadata);
    let turn = turn(&target_dir).map_err(|error| Failure::io(&target_dir, error))?;
    let built = fresh(args, &target_dir, package, dependency)?;
    let image = fs::read(&built).map_err(|error| Failure::io(&built, error))?;
    drop(turn);
    load::inspect(&image).map_err(BuildError::Unfit)?;
    let out = args.out.clone().unwrap_or_else(|| default_out(&metadata, package, &built));
    write::whole(&out, &image)?;
    let (bytes, digest) = (image.len(), Digest::of(&image).to_string());
    let text = format!("{:<12} {}\n{:<12} {bytes} bytes\n{:<12} {digest}\n", "built", out.display(), "image", "sha256");
    let json = json!({
        "package": package.name.to_string(),
        "version": package.version.to_string(),
        "file": out,
        "image": { "bytes": bytes, "sha256": digest },
    });
    Ok(Found { text, json })
}

fn metadata(args: &Args) -> Result<Metadata, BuildError> {
    let mut command = MetadataCommand::new();
    // only what the manifests say is of interest: nothing is resolved, nothing fetched
    command.no_deps();
    if let Some(path) = &args.manifest_path {
        command.manifest_path(path);
    }
    Ok(command.exec()?)
}

fn package<'a>(args: &Args, metadata: &'a Metadata) -> Result<&'a Package, BuildError> {
    let all = metadata.workspace_packages();
    let candidates = || all.iter().filter(|package| check(package).is_ok()).map(|it| it.name.to_string()).collect();
    match &args.package {
        Some(name) => all.iter().find(|package| package.name == name.as_str()).copied().ok_or_else(|| {
            BuildError::WhichPackage(format!("there is no package `{name}` in the workspace"), candidates())
        }),
        None => metadata
            .root_package()
            .or_else(|| only(&all))
            .ok_or_else(|| BuildError::WhichPackage("the workspace has several packages".to_owned(), candidates())),
    }
}

fn only<'a>(packages: &[&'a Package]) -> Option<&'a Package> {
    if let [package] = packages { Some(package) } else { None }
}

/// Whether it can be an image at all, and what it calls hotswap.
fn check(package: &Package) -> Result<&str, BuildError> {
    let kinds = [TargetKind::Lib, TargetKind::RLib, TargetKind::CDyLib, TargetKind::DyLib];
    if !package.targets.iter().any(|target| kinds.iter().any(|kind| target.kind.contains(kind))) {
        return Err(BuildError::NoLibrary(package.name.to_string()));
    }
    let found = package.dependencies.iter().find(|it| it.name == HOTSWAP && it.kind == DependencyKind::Normal);
    let found = found.ok_or_else(|| BuildError::NoHotswap(package.name.to_string()))?;
    Ok(found.rename.as_deref().unwrap_or(&found.name))
}

fn target_dir(args: &Args, metadata: &Metadata) -> PathBuf {
    args.target_dir.clone().unwrap_or_else(|| metadata.target_directory.join("hotswap-image").into())
}

/// Cargo lets go of its own lock before the library can be read, and the next build writes it anew: so builds into one folder
/// take turns. The turn ends with the file that is given, also if the process is killed.
fn turn(target_dir: &Path) -> io::Result<File> {
    fs::create_dir_all(target_dir)?;
    let lock = File::create(target_dir.join(".hotswap-build.lock"))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => {
            eprintln!("waiting for another `hotswap build` into {}", target_dir.display());
            lock.lock()?;
        }
        // where files cannot be locked, it is for whoever builds to see to it, as with cargo's own
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        tried => tried?,
    }
    Ok(lock)
}

/// Cargo gives a library that can be loaded one name, whatever version, features or checkout of the package it is of. One
/// that it did not have to link may be another build's: so that is made again.
fn fresh(args: &Args, target_dir: &Path, package: &Package, dependency: &str) -> Result<PathBuf, BuildError> {
    let Built { library, linked } = cargo(args, target_dir, package, dependency)?;
    if linked {
        return Ok(library);
    }
    let name = library.file_name().unwrap_or_default().to_owned();
    for old in [library.with_file_name("deps").join(name), library] {
        fs::remove_file(&old).or_else(ignore_missing).map_err(|error| BuildError::Stale(old, error))?;
    }
    Ok(cargo(args, target_dir, package, dependency)?.library)
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// What cargo made.
struct Built {
    library: PathBuf,
    /// It was linked now, and not found as it is.
    linked: bool,
}

/// Builds, with what the compiler says going to standard error as it comes, and gives the library.
fn cargo(args: &Args, target_dir: &Path, package: &Package, dependency: &str) -> Result<Built, BuildError> {
    let mut cargo = command(args, target_dir, package, dependency).spawn().map_err(BuildError::NoCargo)?;
    let mut image = None;
    for message in cargo.stdout.take().into_iter().flat_map(|out| Message::parse_stream(BufReader::new(out))) {
        if let Message::CompilerArtifact(built) = message.map_err(BuildError::Messages)?
            && built.package_id == package.id
            && built.target.crate_types.contains(&CrateType::CDyLib)
        {
            let library = built.filenames.into_iter().find(|file| is_library(file.as_std_path()));
            image = library.map(|library| Built { library: library.into(), linked: !built.fresh });
        }
    }
    let status = cargo.wait().map_err(BuildError::NoCargo)?;
    if !status.success() {
        return Err(BuildError::Failed(status));
    }
    image.ok_or(BuildError::NoImage)
}

fn command(args: &Args, target_dir: &Path, package: &Package, dependency: &str) -> Command {
    let profile = &args.profile;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.arg("rustc").arg("--manifest-path").arg(&package.manifest_path).arg("--package").arg(&*package.name);
    cargo.args(["--lib", "--crate-type", "cdylib", "--message-format", "json-render-diagnostics"]);
    cargo.arg("--profile").arg(profile).arg("--target-dir").arg(target_dir);
    cargo.arg("--features").arg(format!("{dependency}/image"));
    // a panic in an image must not take the program down that loaded it
    cargo.arg("--config").arg(format!("profile.{profile}.panic=\"unwind\""));
    // names stay, for what is said of a panic
    cargo.arg("--config").arg(format!("profile.{profile}.strip=\"debuginfo\""));
    if !args.lto {
        // with it, every build optimises the standard library again
        cargo.arg("--config").arg(format!("profile.{profile}.lto=false"));
    }
    for features in &args.features {
        cargo.arg("--features").arg(features);
    }
    if let Some(target) = &args.target {
        cargo.arg("--target").arg(target);
    }
    let flags = [
        (args.all_features, "--all-features"),
        (args.no_default_features, "--no-default-features"),
        (args.locked, "--locked"),
        (args.offline, "--offline"),
    ];
    cargo.args(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| flag));
    cargo.stdin(Stdio::null()).stdout(Stdio::piped());
    cargo
}

/// Other files may come with it, as for the debugger.
fn is_library(file: &Path) -> bool {
    file.extension().is_some_and(|extension| ["so", "dylib", "dll"].iter().any(|known| extension == *known))
}

fn default_out(metadata: &Metadata, package: &Package, built: &Path) -> PathBuf {
    let extension = built.extension().unwrap_or_default().to_string_lossy();
    let name = format!("{}-{}.{extension}", package.name, package.version);
    metadata.target_directory.join("hotswap").join(name).into()
}
