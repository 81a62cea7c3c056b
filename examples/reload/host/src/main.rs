//! A service that sells milk, and whose next price comes as a file: the program is neither built again nor restarted.
//!
//! It is built with the crate `pricing` as that is now, and keeps all it needs in a folder:
//!
//! - `images/` is where signed images are put. Whoever may write there can only offer them: what is taken in is decided by
//!   the signature, and what runs by the operator.
//! - `accepted` is which images were taken in, so that an old one does not pass for a new one after a restart.
//! - `switch` is which version was committed. A restart finds it again among the images.
//!
//! Customers connect to a port, and each line they send is a product. The operator's commands are standard input's lines.
//! Three threads do that, one more for each customer, and none of them knows which version answers.
//!
//! ```text
//! cargo install --path hotswap-cli         # the command `hotswap`
//! hotswap key new release                  # `release` stays with whoever signs, the program gets `release.pub`
//! cargo run -p reload -- --key release.pub shop
//! nc 127.0.0.1 6392                        # a customer, in another terminal
//! ```
//!
//! Then add a version to `pricing`, in a third terminal:
//!
//! ```text
//! hotswap build -p pricing
//! hotswap sign target/hotswap/pricing-0.1.0.so --key release --application pricing --out shop/images/pricing-2
//! ```
//!
//! and type `upgrade 2` into the first. The README has the whole story.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use clap::Parser;
use hotswap::Encoded;
use hotswap::load::{ImageStatus, Images, LetGo, LoadError, PublicKey, Trust};
use hotswap_examples::admin::AdminOptions;
use pricing::service::{Cell, Price, Service, Switch};
use serde_json::Value;

/// Sells milk, at a price that changes while it runs.
#[derive(Debug, Parser)]
#[command(name = "reload")]
struct Options {
    /// The folder in which it keeps what must survive a restart, and looks for images; made if it is not there
    folder: PathBuf,
    /// The public key that images must be signed with, as `hotswap key new` made it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where customers connect; 0 is any port that is free
    #[arg(long, default_value_t = 6392)]
    port: u16,
    #[command(flatten)]
    admin: AdminOptions,
}

const HELP: &str = "versions | upgrade N | rollback | commit | images | unload ID | ask NAME [JSON] | state | quit";

/// How often the folder is looked at. The system can tell of new files too, in one way for each system and in none for
/// some network folders; an image comes a few times a day, and to list a folder is cheap.
const EVERY: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match serve(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(Options { folder, key, port, admin }: &Options) -> Result<(), Box<dyn Error>> {
    let incoming = folder.join("images");
    fs::create_dir_all(&incoming)?;
    let trust = Trust::new("pricing").key(PublicKey::read(key)?).remember(folder.join("accepted"))?;
    let images = Images::new(trust).folder(&incoming);
    let switch = Switch::builder().images(&images).open(folder.join("switch"))?;
    let program = Program { service: switch.cell(Service::default())?, images: images.clone() };

    let _open = admin.serve(|options| options.images(images.clone()).snapshots(folder))?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, *port))?;
    for refusal in switch.admin().audit().refusals {
        println!("{}: {}", refusal.what, refusal.why);
    }
    println!("version {} serves at {}, images come in {}", switch.version(), port.local_addr()?, incoming.display());
    let service = program.service.clone();
    thread::spawn(move || welcome(&port, &service));
    thread::spawn(move || watch(&incoming, &images));
    program.obey()
}

// ---- customers

fn welcome(port: &TcpListener, service: &Cell) {
    for customer in port.incoming().flatten() {
        let service = service.clone();
        // a customer who hangs up in mid-line ends a thread, and nothing else
        thread::spawn(move || sell(&service, &customer));
    }
}

fn sell(service: &Cell, mut customer: &TcpStream) -> io::Result<()> {
    for product in BufReader::new(customer).lines() {
        let product = product?;
        let said = match service.step(Price(product.clone())) {
            Ok(Some(price)) => format!("The price of {product} is: {price}\n"),
            Ok(None) => format!("No {product} today\n"),
            Err(refused) => format!("refused: {refused}\n"),
        };
        customer.write_all(said.as_bytes())?;
    }
    Ok(())
}

// ---- images

/// Takes in every image that is put into the folder, once for each time that it is.
fn watch(folder: &Path, images: &Images) {
    let mut seen = BTreeSet::new();
    loop {
        match files(folder) {
            Ok(there) => {
                for (_, file) in there.difference(&seen) {
                    println!("{}", take_in(file, images));
                }
                seen = there;
                thread::sleep(EVERY);
            }
            // whatever it is, the customers go on being served
            Err(error) => {
                println!("{} cannot be read: {error}", folder.display());
                thread::sleep(EVERY * 50);
            }
        }
    }
}

/// The files of a folder in the order in which they were written, which is that of their serials. One that is still being
/// written has a hidden name, and gets its own when it is whole: `hotswap sign` does so.
fn files(folder: &Path) -> io::Result<BTreeSet<(SystemTime, PathBuf)>> {
    let mut files = BTreeSet::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let hidden = file.file_name().as_encoded_bytes().starts_with(b".");
        // one that cannot be looked at has gone meanwhile
        if let (false, Ok(written)) = (hidden, file.metadata().and_then(|it| it.modified())) {
            files.insert((written, file.path()));
        }
    }
    Ok(files)
}

fn take_in(file: &Path, images: &Images) -> String {
    let trust = images.trust();
    // one that was taken in before, by this run or an earlier one, may come back; any other old one may not
    let again = trust.read(file).is_ok_and(|bytes| trust.verify_again(&bytes).is_ok());
    let arrived = if again { images.load_again(file) } else { images.load(file) };
    let name = file.file_name().unwrap_or_default().display();
    match arrived {
        Ok(arrived) => {
            let brought = arrived.brought.iter().map(|(switch, versions)| format!("{switch} {}", list(versions)));
            let gone: Vec<_> = arrived.let_go.iter().map(|(id, _)| format!(", in place of {id}")).collect();
            format!("{name} is {}, available: {}{}", arrived.id, list(brought), gone.concat())
        }
        // what a restart comes up with was there before the folder was looked at
        Err(LoadError::AlreadyHere { id }) => format!("{name} is {id}"),
        Err(refused) => format!("{name} is refused: {refused}"),
    }
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

// ---- the operator

struct Program {
    service: Cell,
    images: Images,
}

impl Program {
    /// Does what is typed, until nothing more is.
    fn obey(&self) -> Result<(), Box<dyn Error>> {
        let mut line = String::new();
        loop {
            if io::stdin().is_terminal() {
                print!("> ");
                io::stdout().flush()?;
            }
            line.clear();
            if io::stdin().read_line(&mut line)? == 0 || line.trim() == "quit" {
                return Ok(());
            }
            match self.run(line.trim()) {
                Ok(said) => println!("{said}"),
                Err(refused) => println!("refused: {refused}"),
            }
        }
    }

    fn run(&self, line: &str) -> Result<String, Box<dyn Error>> {
        let admin = self.service.admin();
        let words: Vec<_> = line.splitn(3, ' ').collect();
        Ok(match words[..] {
            ["versions"] => admin.versions().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            ["upgrade", to] => admin.upgrade(to.parse::<u32>()?, "asked for")?.to_string(),
            ["rollback"] => admin.rollback("asked for")?.to_string(),
            ["commit"] => admin.commit()?.to_string(),
            ["images"] if self.images.list().is_empty() => "no images".to_owned(),
            ["images"] => self.images.list().iter().map(shown).collect::<Vec<_>>().join("\n"),
            ["unload", id] => match self.images.unload(id)? {
                LetGo::Gone => format!("{id} is gone from memory"),
                LetGo::Pinned { reason } => format!("{id} stays in memory: {reason}"),
                LetGo::Held => format!("{id} goes with the last state of its versions"),
            },
            ["state"] => admin.get_state(&self.service.name())?.to_string(),
            ["ask", name] => self.ask(name, "null")?,
            ["ask", name, value] => self.ask(name, value)?,
            _ => HELP.to_owned(),
        })
    }

    /// Later versions have inputs that this program has no types for: they are named, and their values are JSON.
    fn ask(&self, name: &str, value: &str) -> Result<String, Box<dyn Error>> {
        let value: Value = serde_json::from_str(value)?;
        Ok(self.service.step_encoded(Encoded::json(name, &value)?)?.to_string())
    }
}

fn shown(image: &ImageStatus) -> String {
    let machines = image.machines.iter().map(|(machine, versions)| format!("{machine} {}", list(versions)));
    let used =
        if image.holders.is_empty() { "not used".to_owned() } else { format!("used by {}", list(&image.holders)) };
    format!("{} has {}; {used}", image.id, list(machines))
}
