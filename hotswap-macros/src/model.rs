//! A validated machine, as owned data: what `validate` promises and `expand` relies on.
//!
//! Every rule of the design holds for a [`Machine`], so expansion looks nothing up that can fail.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use syn::{Attribute, Expr, ItemMod, Member, Path, Type};

/// The items that are generated into the user's module, by the name they have unless renamed.
pub(crate) const GENERATED: [&str; 11] =
    ["Machine", "Version", "AnyState", "AnyInput", "AnyOutput", "Cell", "Instance", "Slab", "Fleet", "Switch", "Admin"];

/// What the generated code calls its locals. A pattern of such a name means the constant or unit struct that has it.
pub(crate) const LOCALS: [&str; 20] = [
    "at",
    "deserializer",
    "error",
    "f",
    "failed",
    "input",
    "next",
    "number",
    "other",
    "output",
    "seq",
    "serializer",
    "slot",
    "state",
    "states",
    "stepped",
    "tag",
    "value",
    "version",
    "visit",
];

/// What stands, beside a mistake, for the state or input that is not known for it.
pub(crate) const UNKNOWN: &str = "__HotswapUnknown";

/// A named line of versions.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The user's module and items, every `#[machine]` marker removed.
    pub(crate) module: ItemMod,
    pub(crate) options: Options,
    /// Ascending by number, never empty.
    pub(crate) versions: Vec<Version>,
    /// In order of first appearance, never empty.
    pub(crate) inputs: Vec<Input>,
    pub(crate) adapters: Vec<Adapter>,
    /// Declared migrations between neighbours: all the ways up in ascending order, then the ways down.
    pub(crate) edges: Vec<Edge>,
}

/// What stands in `#[machine(…)]` on the module.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The machine's name: the module's unless `name` says otherwise.
    pub(crate) name: String,
    /// The path of the runtime crate, `::hotswap` by default.
    pub(crate) krate: Path,
    pub(crate) derive: Derive,
    /// Generated name → what the user calls it; only those that are renamed.
    pub(crate) rename: BTreeMap<String, Ident>,
    /// Numbers whose code is gone, ascending.
    pub(crate) retired: Vec<u32>,
}

impl Options {
    /// What the generated item `name` (one of [`GENERATED`]) is called in this module.
    pub(crate) fn generated(&self, name: &str) -> Ident {
        debug_assert!(GENERATED.contains(&name));
        self.rename.get(name).cloned().unwrap_or_else(|| Ident::new(name, Span::call_site()))
    }
}

/// Which traits the generated enums of states, inputs and outputs derive.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four independent traits, each asked for or not")]
pub(crate) struct Derive {
    pub(crate) debug: bool,
    pub(crate) clone: bool,
    pub(crate) partial_eq: bool,
    pub(crate) eq: bool,
}

/// One version: a number, a state type and what holds for both.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) number: u32,
    /// The `#[cfg]`s that stand on it; each version's include its predecessor's.
    pub(crate) cfg: Vec<Attribute>,
    /// The state type, an item of the module.
    pub(crate) state: Ident,
    /// For a behaviour-only version: the index of the version that declares the state type.
    pub(crate) shares: Option<usize>,
    /// Whether the state is boxed inside `AnyState`; a behaviour-only version follows its state.
    pub(crate) boxed: bool,
    /// `1-` and 16 hexadecimal digits.
    pub(crate) fingerprint: String,
    /// Types from outside the module that the fingerprint knows by name only, sorted.
    pub(crate) leaves: Vec<String>,
}

/// An input type that some version takes.
#[derive(Debug)]
pub(crate) struct Input {
    /// The variant of `AnyInput` and `AnyOutput`; its name is the input's name in encodings.
    pub(crate) variant: Ident,
    pub(crate) ty: Type,
    /// `()` where the steps return nothing.
    pub(crate) output: Type,
    /// Of the input and the output together, as a version's is of its state; empty while there are mistakes.
    pub(crate) fingerprint: String,
    /// The `#[cfg]`s of the lowest version that steps it; every version that takes it includes them.
    pub(crate) cfg: Vec<Attribute>,
    /// How each version takes it, by index of the version.
    pub(crate) ways: Vec<Way>,
}

/// How one version takes one input.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// By a step of its own, or an inherited one.
    Step {
        /// Takes the state as `&mut State` or `&State`; a `&mut` of it fits both.
        function: Ident,
    },
    /// It becomes another input, which this version steps or adapts in its turn, never partially.
    Adapt {
        /// Index into [`Machine::adapters`].
        adapter: usize,
        /// Index into [`Machine::inputs`].
        next: usize,
        /// Index into [`Machine::adapters`] of what turns the other input's output into this one's; none
        /// where they are the same type.
        output: Option<usize>,
    },
    /// It comes back to the caller.
    Refused,
}

/// A function from one input or output type to another.
#[derive(Debug)]
pub(crate) struct Adapter {
    pub(crate) from: Type,
    pub(crate) to: Type,
    /// It does not fit every input. Never true of an adapter of outputs.
    pub(crate) partial: bool,
    pub(crate) how: Adapt,
    /// The `#[cfg]`s that stand on it.
    pub(crate) cfg: Vec<Attribute>,
}

/// Where an adapter's code comes from.
#[derive(Debug)]
pub(crate) enum Adapt {
    /// `fn(From) -> To`, or `fn(&From) -> Option<To>` where it is partial.
    Written(Ident),
    /// From `extends`: both enums have these variants, with the same fields.
    /// A partial one gives the value back when it is another variant; nothing is cloned.
    Extends(Vec<Shared>),
}

/// A variant that two enums share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) variant: Ident,
    /// The fields; `Variant { member: .. }` makes and matches every style of variant.
    pub(crate) members: Vec<Member>,
}

/// A declared migration between neighbours.
#[derive(Debug)]
pub(crate) struct Edge {
    /// Index of the version it leaves.
    pub(crate) from: usize,
    /// Index of the version it arrives at.
    pub(crate) to: usize,
    pub(crate) how: How,
    /// What the author says is lost on it.
    pub(crate) loses: Option<String>,
}

/// How a migration runs.
#[derive(Debug)]
pub(crate) enum How {
    /// To or from a behaviour-only version: the state is the same.
    Identity,
    Derived(Plan),
    Written {
        function: Ident,
        /// It returns a `Result`.
        fallible: bool,
        /// It takes the state by value, and a failure gives it back: `Result<New, (Old, E)>`.
        moves: bool,
        /// Where it says what it returns.
        returned: Span,
    },
}

/// A derived migration.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) body: Body,
    /// Nothing that the user wrote runs in it: every value is a literal or a plain path, and no `with`.
    pub(crate) pure: bool,
}

/// What is matched and made.
#[derive(Debug)]
pub(crate) enum Body {
    Struct(Fields),
    /// One arm for every variant of the old state.
    Enum(Vec<Arm>),
}

/// One variant's migration.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) from: Ident,
    pub(crate) to: Ident,
    pub(crate) fields: Fields,
}

/// Where the fields of the new struct or variant come from.
///
/// `Type { member: .. }` makes and matches structs of every style, tuple and unit ones too.
#[derive(Debug)]
pub(crate) struct Fields {
    /// Every field of the new one. No two move the same old field.
    pub(crate) fields: Vec<Field>,
    /// The old fields that no new one moves.
    pub(crate) dropped: Vec<Member>,
}

/// One field of the new state.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    pub(crate) source: Source,
}

/// Where a field's value comes from. All but [`Source::Moved`] are evaluated before anything is moved.
#[derive(Debug)]
pub(crate) enum Source {
    /// The old field of this name, moved.
    Moved(Member),
    /// A function of the old field, which it borrows: `fn(&Old) -> New`.
    With {
        from: Member,
        function: Path,
        /// The old field's type; none where the function may take what that dereferences to.
        old: Option<Type>,
    },
    /// `added = EXPR`, or on the way down `removes(field = EXPR)`.
    Value(Expr),
    /// `added` alone: `Default::default()`.
    Default,
}
