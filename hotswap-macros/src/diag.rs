//! Every message of the macro, and the list in which they are collected until all are known.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Error;

/// The mistakes found so far. Must be asked for them in the end: a forgotten one would let a wrong machine through.
#[derive(Debug)]
pub(crate) struct Diag {
    errors: Vec<Error>,
    machine: String,
    finished: bool,
}

impl Diag {
    pub(crate) fn new() -> Self {
        Self { errors: Vec::new(), machine: String::new(), finished: false }
    }

    /// Says which machine the messages are about.
    pub(crate) fn machine(&mut self, name: &str) {
        name.clone_into(&mut self.machine);
    }

    pub(crate) fn any(&self) -> bool {
        !self.errors.is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    /// What `syn` says of tokens that it cannot read, the option that they were read for, and what to write instead.
    pub(crate) fn syntax(&mut self, error: &Error, option: Option<&str>, help: &str) {
        let option = option.map_or_else(String::new, |option| format!("`{option}` cannot be read: "));
        self.errors.push(Error::new(error.span(), format!("{option}{error}\n\nhelp: {help}")));
    }

    /// All the messages, as `compile_error!`s.
    pub(crate) fn finish(mut self) -> TokenStream {
        self.finished = true;
        self.errors.iter().map(Error::to_compile_error).collect()
    }

    fn add(&mut self, at: &dyn ToTokens, fact: &str, help: &str) {
        self.errors.push(Error::new_spanned(at, format!("{fact}\n\nhelp: {help}")));
    }
}

#[cfg(test)]
impl Drop for Diag {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "messages were collected and never asked for");
    }
}

/// One line a message: its name and what it says, the fact first and then what to do.
macro_rules! messages {
    ($($name:ident $([$machine:ident])? ($($argument:ident),* $(,)?): $fact:literal, $help:literal;)*) => {
        impl Diag {
            $(
                #[allow(clippy::too_many_arguments, reason = "a message names all that it is about")]
                pub(crate) fn $name(&mut self, at: &dyn ToTokens $(, $argument: impl Display)*) {
                    $(let $machine = self.machine.clone();)?
                    self.add(at, &format!($fact), &format!($help));
                }
            )*
        }
    };
}

// the attribute
messages! {
    out_of_line():
        "`#[machine]` needs the module's items, and this module is in another file",
        "write `mod name {{ … }}` here; versions may come from other files: `#[machine(version = 1)] pub use path::Type as V1;`";
    outside_a_module(option):
        "`#[machine({option} …)]` stands outside a machine module",
        "put `#[machine]` on the module around it: `#[machine] pub mod name {{ … }}`";
    not_a_module():
        "`#[machine]` goes on a module, and this is none",
        "write `#[machine] pub mod name {{ … }}`, with the versions inside";
    nested_marker(name):
        "`{name}` is marked inside a nested module, where versions are not looked for",
        "move it to the machine's module, or take it in there: `#[machine(version = …)] pub use inner::{name};`";
    misplaced_marker():
        "nothing here can be marked with `#[machine]`",
        "states are structs and enums, steps, migrations and adapters are functions";
    method(name):
        "`{name}` is a method, and only free functions can be marked",
        "move `fn {name}` out of the `impl` block";
    marker_in_cfg_attr():
        "a `#[machine]` marker cannot stand in `cfg_attr`",
        "write the marker plainly and put `#[cfg(…)]` on the whole version: its state, steps and migrations";
    marker_with_value():
        "a marker takes options in parentheses",
        "for example `#[machine(version = 1)]`";
    empty_marker(name):
        "this marker does not say what `{name}` is",
        "a state has `#[machine(version = …)]`; an enum may have `#[machine(extends = …)]`, an input `#[machine(input = \"…\")]`";
    use_of_many():
        "a version's state is one type, and this `use` may bring in several",
        "`#[machine(version = …)] pub use path::Type as V1;`";
    option_is_a_path():
        "an option is one word",
        "for example `version = 1`";
    option_twice(name):
        "option `{name}` is given twice",
        "remove one";
    unknown_option(name, place, nearest):
        "unknown option `{name}` on a {place}",
        "{nearest}";
    misplaced_option(name, place, right):
        "option `{name}` stands on a {place}, and belongs on {right}",
        "move it there, or remove it";
    not_a_number(option):
        "`{option}` must be an integer from 1 to 4294967295",
        "versions are numbered as you choose, for example `{option} = 1`";
    not_a_text(option, usage):
        "`{option}` must be a string",
        "{usage}";
    name_empty():
        "a machine's name cannot be empty",
        "remove `name = …`: the machine is then called as its module is";
    marker_renamed(name):
        "markers must be called `machine`, and these are called `{name}`",
        "import it by its own name, `use hotswap::machine;`, and mark with `#[machine(…)]`: the macro cannot know another";
    number_zero(option):
        "`{option}` cannot be 0",
        "the lowest number a version can have is 1";
    option_without_version(option):
        "`{option}` says something of a version, and no version is named",
        "add `version = …` before it";
    underivable(name):
        "`{name}` cannot be derived for the generated enums",
        "`derive(…)` knows `Debug`, `Clone`, `PartialEq` and `Eq`";
    eq_alone():
        "`derive(Eq)` needs `PartialEq`",
        "write `derive(PartialEq, Eq)`";
    rename_of_unknown(name, known):
        "no generated item is called `{name}`",
        "these can be renamed: {known}";
    renamed_twice(name):
        "`{name}` is renamed twice",
        "remove one";
    renames_collide(name):
        "two generated items would be called `{name}`",
        "choose another name in `rename(…)`";
    name_taken[machine](name, original):
        "`{name}` is the name of an item that machine `{machine}` generates",
        "rename yours, or the generated one: `#[machine(rename({original} = My{original}))]` on the module";
    local_taken(name):
        "`{name}` is what the generated code calls a local, and a pattern of that name would mean this",
        "rename it: constants are `UPPER_CASE`, types `CamelCase`";
    retired_twice(number):
        "version {number} is retired twice",
        "remove one";
    unknown_side(word):
        "an adapter is one of inputs or of outputs, not of `{word}`",
        "write `adapt(input)` or `adapt(output)`";
    unknown_end():
        "a migration's edge is named by `from` and `to`",
        "write `migrate(from = 1, to = 2)`";
    half_an_edge():
        "a migration's edge has two ends, and one is named",
        "write `migrate(from = 1, to = 2)`, or `migrate` alone where the types say which";
    extends_on_no_enum(name):
        "`{name}` cannot extend anything: it is not an enum",
        "`extends` goes by the names of variants; for other types write `#[machine(adapt)] fn f(old: Old) -> {name}`";
}

// the line of versions
messages! {
    no_versions[machine]():
        "machine `{machine}` has no versions",
        "mark a state type: `#[machine(version = 1)] pub struct V1 {{ … }}`";
    no_steps[machine](help):
        "machine `{machine}` has no steps, so nothing could run it",
        "{help}";
    version_twice[machine](number, first):
        "version {number} of machine `{machine}` is declared twice",
        "version {number} is first declared on `{first}`; a number has one state, whatever the `cfg`, so give this one another";
    number_retired(number, retired):
        "version {number} is retired",
        "saved states of the old version {number} may still exist, so choose a number that was never used; retired: {retired}";
    state_twice(state, number, first, before, from):
        "`{state}` is the same type as `{first}`, the state of version {before}",
        "for version {number} to keep it, remove this marker and write `#[machine(version = {number}, migrates_from = {from})]` \
         on its first step; else give version {number} a type of its own";
    no_state[machine](number, help):
        "version {number} of machine `{machine}` has no state",
        "{help}";
    migrates_upwards(number, from):
        "version {number} cannot migrate from version {from}: `migrates_from` must be lower than `version`",
        "name the version before it, or remove `migrates_from` if version {number} is the first";
    migrates_from_retired(number, from):
        "version {number} migrates from version {from}, which is retired",
        "remove `migrates_from`: with the code of version {from} gone, version {number} is the first";
    gap[machine](number, from, instead):
        "version {number} migrates from version {from}, which machine `{machine}` does not declare",
        "declare version {from}, {instead}";
    fork(other, number, from):
        "versions {other} and {number} both migrate from version {from}",
        "versions form one line: version {number} should migrate from version {other}";
    two_firsts[machine](first, number, before):
        "machine `{machine}` has two first versions, {first} and {number}",
        "say which version comes before version {number}: `migrates_from = {before}`";
    option_belongs_on_state(option, number, state):
        "`{option}` of version {number} belongs on its state `{state}`",
        "move it there, or remove it";
    option_belongs_on_first_step(option, number, first):
        "`{option}` of version {number} belongs on its first step `{first}`",
        "move it there, or remove it";
    option_of_a_state(option, number, state):
        "`{option}` has no meaning on version {number}, which keeps the state `{state}`",
        "remove it: a version that changes only steps needs no migration, and what is said of `{state}` holds for it";
    option_of_a_later_version(option, number):
        "`{option}` has no meaning on version {number}, which is the first",
        "remove it, or say with `migrates_from` which version comes before";
    cfg_gap(number, before, missing):
        "version {number} can be there while version {before}, which it migrates from, is not",
        "a version's `cfg` includes its predecessor's: put `{missing}` on version {number} too";
    cfg_missing(name, number, missing):
        "`{name}` can be there while version {number}, which it belongs to, is not",
        "put `{missing}` on `{name}` too";
    cfg_extra(name, number):
        "`{name}` can be missing while version {number}, which it belongs to, is there",
        "put this `cfg` on the whole version: its state, steps and migrations";
}

// functions of any role
messages! {
    function_without_version(name):
        "the marker on function `{name}` does not say what it is",
        "a step has `#[machine(version = …)]`, a migration `#[machine(migrate)]`, an adapter `#[machine(adapt)]`";
    two_roles(option, first, name):
        "`{name}` cannot be both `{first}` and `{option}`",
        "a function is a step (`version`), a migration (`migrate`) or an adapter (`adapt`); remove one";
    option_of_migration(option):
        "`{option}` belongs on a migration",
        "write `#[machine(migrate, {option} …)]`, or remove it";
    option_on_wrong_function(option, role, name):
        "`{option}` has no meaning on the {role} `{name}`",
        "remove it: the types of `{name}` say which versions it concerns";
    function_async(role, name):
        "{role} `{name}` cannot be async",
        "it runs whole or not at all, so it cannot wait: await in the host and pass what came of it with the input";
    function_unsafe(role, name):
        "{role} `{name}` cannot be unsafe",
        "the runtime calls it from safe code; keep the `unsafe` block inside";
    function_extern(role, name, usage):
        "{role} `{name}` cannot have a foreign calling convention",
        "remove the `extern`; {usage}";
    function_lifetime(role, name):
        "{role} `{name}` cannot have lifetime parameters",
        "remove them: only the state is borrowed, and inputs and outputs own what they hold";
    reference_lifetime(lifetime, role, name, written):
        "{role} `{name}` borrows for `{lifetime}`",
        "write `{written}`: it is borrowed while `{name}` runs, and no longer";
    function_generic(role, name):
        "{role} `{name}` cannot be generic",
        "write the types out: every state and input is one concrete type";
    function_receiver(role, name, usage):
        "{role} `{name}` takes `self`, and must be a free function",
        "{usage}";
    parameters(role, name, given, wanted, usage):
        "{role} `{name}` takes {given}, expected {wanted}",
        "{usage}";
}

// steps
messages! {
    state_by_value(name, ty):
        "step `{name}` takes the state by value",
        "borrow it: `&mut {ty}`, or `&{ty}` for a step that only reads";
    step_swapped(name, state, input):
        "step `{name}` takes its input first and its state second",
        "swap them: `fn {name}(state: {state}, input: {input})`";
    input_borrowed(name, ty):
        "step `{name}` borrows its input",
        "take `{ty}`: an input belongs to the step that runs it";
    unknown_state(name, number, given, state):
        "step `{name}` of version {number} runs on `{given}`, which is no state of this machine",
        "the state of version {number} is `{state}`";
    state_of_another_version(name, number, given, other, state):
        "step `{name}` of version {number} runs on `{given}`, the state of version {other}",
        "the state of version {number} is `{state}`; or say `version = {other}`";
    step_twice(number, input, first, second):
        "version {number} has two steps for `{input}`: `{first}` and `{second}`",
        "remove one, or give it an input type of its own";
    two_outputs(input, first_output, first, output, name):
        "`{input}` has two output types: `{first_output}` in `{first}` and `{output}` in `{name}`",
        "callers get one type whatever version answers: return `{first_output}` here, or take a new input type and adapt";
    untaken[machine](number, input, before, state, returns, hint):
        "version {number} of machine `{machine}` does not take `{input}`, which version {before} takes",
        "{hint}add `#[machine(version = {number})] fn name(state: &mut {state}, input: {input}){returns}`, \
         adapt it with `#[machine(adapt)] fn name(old: {input}) -> …`, or say `drops({input})` on version {number}";
    no_steps_any_more(number, before, taken, inputs, state, unmarked):
        "version {number} has no steps, and version {before} takes {taken}",
        "{unmarked}add its steps, `#[machine(version = {number})] pub fn name(state: &mut {state}, …)`, or say `drops({inputs})` on it";
    drops_no_input(number, ty):
        "version {number} drops `{ty}`, which no version takes",
        "remove it from `drops(…)`, or correct the type";
    drops_untaken(number, ty, before):
        "version {number} drops `{ty}`, which version {before} does not take either",
        "remove it from `drops(…)`";
    drops_a_step(number, ty, function):
        "version {number} drops `{ty}` and has the step `{function}` for it",
        "remove one of the two";
    drops_twice(number, ty):
        "version {number} drops `{ty}` twice",
        "remove one";
    input_without_name(ty):
        "input `{ty}` needs a name",
        "name it on the step: `#[machine(version = …, input = \"Name\")]`, or wrap it in a struct of your own";
    input_name_no_word():
        "an input's name must be an identifier",
        "it becomes a variant of `AnyInput`, for example `input = \"PlaceOrder\"`";
    input_named_twice(input, name):
        "input `{input}` has two names",
        "it is already called `{name}`; name it once";
    input_name_taken(other, input, name):
        "the inputs `{other}` and `{input}` are both called `{name}`",
        "name one of them on its step: `#[machine(version = …, input = \"OtherName\")]`";
    input_name_of_no_input(name):
        "`{name}` has an input's name, and no step takes it",
        "remove `input = …`, or add a step that takes `{name}`";
}

// adapters
messages! {
    adapter_returns_nothing(name, usage):
        "adapter `{name}` returns nothing",
        "{usage}";
    adapter_borrows(name, from, to):
        "adapter `{name}` borrows `{from}` but always gives a `{to}`",
        "take it by value, `fn {name}(old: {from}) -> {to}`; only one that may not fit borrows and returns `Option<{to}>`";
    adapter_consumes(name, from, to):
        "adapter `{name}` may not fit, and would have used up the `{from}` by then",
        "borrow it, so that a refused input can be given back: `fn {name}(new: &{from}) -> Option<{to}>`";
    adapter_to_itself(name, ty):
        "adapter `{name}` goes from `{ty}` to itself",
        "remove it: an input type that several versions take needs no adapter";
    adapter_twice(from, to, first, second):
        "two adapters go from `{from}` to `{to}`: `{first}` and `{second}`",
        "remove one";
    adapter_of_both(name, from, to):
        "`{name}` could adapt inputs or outputs: `{from}` and `{to}` are both",
        "say which: `#[machine(adapt(input))]` or `#[machine(adapt(output))]`";
    adapter_of_nothing(name, from, to):
        "`{name}` adapts neither inputs nor outputs: no step takes or returns `{from}` or `{to}`",
        "remove it, or correct its types; for an input that no step takes any more say `#[machine(adapt(input))]`";
    adapter_to_nowhere(name, from, to):
        "`{name}` takes `{from}` to `{to}`, which no version takes",
        "add a step for `{to}`, or adapt to an input that has one";
    output_adapter_borrows(name, from, to):
        "output adapter `{name}` borrows the output",
        "take it by value: `fn {name}(new: {from}) -> {to}`";
    output_adapter_partial(name):
        "output adapter `{name}` must fit every output",
        "the step has run by then, so nothing can be given back: return the type itself, not an `Option`";
    output_adapter_missing(name, input, want, have, other_way):
        "`{name}` adapts input `{input}`, but not the output `{have}` back to `{want}`",
        "callers of `{input}` expect `{want}`: {other_way}add `#[machine(adapt)] fn name(new: {have}) -> {want}`";
    two_ways(number, input, first, second):
        "version {number} could take `{input}` in two ways: by `{first}` or by `{second}`",
        "remove one adapter, or give version {number} a step for `{input}`";
    partial_after_first(name, first, number, input):
        "`{name}` may not fit, and version {number} would need it after `{first}` to take `{input}`",
        "only the first adapter of a way may fail, while `{input}` can be given back: adapt directly, or say `drops({input})`";
    extends_no_enum(name, of):
        "`{name}` extends `{of}`, which is not an enum of this module",
        "`extends` compares variants, so both enums stand here; otherwise write `#[machine(adapt)] fn f(old: {of}) -> {name}`";
    extends_without_variant(name, of, variant):
        "`{name}` extends `{of}`, but has no variant `{variant}`",
        "add `{variant}` to `{name}`, or write `#[machine(adapt)] fn f(old: {of}) -> {name}` in place of `extends`";
    extends_other_fields(name, of, variant):
        "`{variant}` has other fields in `{name}` than in `{of}`, which it extends",
        "make them the same, or write `#[machine(adapt)] fn f(old: {of}) -> {name}` in place of `extends`";
    extends_itself(name):
        "`{name}` extends itself",
        "name the enum of an earlier version";
    adapter_cfg(name, number):
        "`{name}` can be missing while version {number}, which needs it, is there",
        "remove this `cfg`, or put it on version {number}";
}

// migrations
messages! {
    migration_missing[machine](number, before, why, old, new):
        "machine `{machine}` has no migration from version {before} to version {number}",
        "it cannot be derived, because {why}; write `#[machine(migrate)] fn up(old: &{old}) -> {new}`";
    migration_twice(from, to, first, second):
        "two migrations go from version {from} to version {to}: `{first}` and `{second}`",
        "remove one";
    reversible_and_written(number, before, name):
        "the way down from version {number} to version {before} is both derived and written, by `{name}`",
        "remove `reversible`, or `{name}`";
    not_reversible(number, why, old, new):
        "version {number} cannot be `reversible`",
        "its way down cannot be derived, because {why}; write `#[machine(migrate)] fn down(new: &{new}) -> {old}`";
    migration_mutates(name, ty):
        "migration `{name}` borrows the old state mutably",
        "take `&{ty}`: the old state stays whole until the new one is in place, so that a failure costs nothing";
    migration_by_value(name, ty):
        "migration `{name}` takes the old state by value",
        "borrow it, `&{ty}`, so that a failure costs nothing; or say `#[machine(migrate, moves)]` if it is too big to build twice";
    moves_on_a_borrow(name, ty):
        "migration `{name}` says `moves` but borrows the old state",
        "take it by value, `old: {ty}`, or remove `moves`";
    moves_loses_the_state(name, old, new):
        "migration `{name}` would lose the old state when it fails",
        "give the state back with the error: `-> Result<{new}, ({old}, E)>`";
    migration_returns_nothing(name, usage):
        "migration `{name}` returns nothing",
        "{usage}";
    migration_of_no_state(ty, states):
        "`{ty}` is not the state of any version",
        "a migration goes between states, here {states}; or name the versions: `migrate(from = 1, to = 2)`";
    migration_of_another_type(ty, number, state):
        "`{ty}` is not the state of version {number}, which this migration names",
        "the state of version {number} is `{state}`";
    edge_of_unknown_version[machine](number):
        "machine `{machine}` does not declare version {number}",
        "a migration goes between two versions that follow each other";
    no_neighbours(name, from, to, instead):
        "`{name}` migrates from version {from} to version {to}, which do not follow each other",
        "{instead}the runtime puts the migrations between neighbours together";
    keeps_the_state(name, number, state):
        "version {number} keeps the state `{state}`, so `{name}` would not run",
        "remove `{name}`, or give version {number} a state of its own";
    migration_returns_option(name, new):
        "migration `{name}` returns an `Option`, which does not say why it fails",
        "return `Result<{new}, E>`, where `E` is shown to the operator: `Result<{new}, String>`";
    field_option_on_first(option, state):
        "`{option}` has no meaning in `{state}`: its version is the first, so nothing migrates into it",
        "remove it";
    option_of_no_state(option, ty):
        "`{option}` has no meaning in `{ty}`, which is not the state of any version",
        "remove it; where a type inside a state changes, make a new one, and turn the old into it with `with = path` on the \
         state's field";
    option_of_new_variant(option, variant, old):
        "`{option}` has no meaning in variant `{variant}`: no variant of `{old}` becomes it",
        "remove it, or say which one does with `#[machine(from = …)]` on `{variant}`";
    option_beside_written(option, from, to, function):
        "`{option}` has no effect: the migration from version {from} to version {to} is written, in `{function}`",
        "remove the option, or `{function}`";
    back_without_reversible(number):
        "`back` has no effect: the way down from version {number} is not derived",
        "add `reversible` to version {number}, or remove `back`";
    back_without_with():
        "`back` undoes a `with`, and there is none",
        "add `with = path`, or remove `back`: a field that is only moved is moved back";
    value_without_reversible(number):
        "this value has no effect: the way down from version {number} is not derived",
        "add `reversible` to version {number}, or name the field alone";
    no_source(name, in_new, in_old, new, old):
        "field `{name}` of `{in_new}` has no source in `{in_old}`",
        "`#[machine(added = …)]` gives it a value, `#[machine(from = …)]` renames a field, \
         or write `#[machine(migrate)] fn up(old: &{old}) -> {new}`";
    renamed(name, in_new, in_old, from, removal):
        "field `{name}` of `{in_new}` has no source in `{in_old}`, of which `{from}` goes nowhere",
        "say `#[machine(from = {from})]` on it if it is the same, renamed; else give it a value, `#[machine(added = …)]`, \
         and say {removal}";
    source_unknown(from, old, known):
        "`{old}` has no field `{from}`",
        "`from` names a field of the state before; those of `{old}` are {known}";
    type_changed(name, was, is, old, new, ways):
        "field `{name}` is `{was}` in `{old}` and `{is}` in `{new}`",
        "turn one into the other with {ways}, or write `#[machine(migrate)] fn up(old: &{old}) -> {new}`";
    dropped_field(name, old, new, removal):
        "field `{name}` of `{old}` goes nowhere in `{new}`",
        "if it is to go, say {removal}; else write `#[machine(from = {name})]` on the field that takes it";
    removes_unknown(number, name, old, known):
        "version {number} removes `{name}`, which is not a field of `{old}`",
        "{known}";
    removes_a_variant(variant, old, before, number, new):
        "`{variant}` is a variant of `{old}`, and `removes` names fields",
        "say what a state in `{variant}` becomes: `#[machine(from = {variant})]` on the variant that takes its place, \
         or write the migration from version {before} to version {number}: `#[machine(migrate)] fn up(old: &{old}) -> {new}`";
    removed_twice(name):
        "`{name}` is removed twice",
        "remove one";
    removed_but_used(old_field, new, field):
        "`{old_field}` is named in `removes`, and field `{field}` of `{new}` takes its value",
        "take `{old_field}` out of `removes(…)`, or give the field a value of its own: `#[machine(added = …)]`";
    moved_twice(old_field, first, second):
        "`{old_field}` would be moved into both `{first}` and `{second}`",
        "make one of them with a function, `#[machine(from = {old_field}, with = path)]`, which borrows";
    added_and_from(option, added):
        "`{option}` contradicts `{added}`: a field has one source",
        "remove one of the two";
    with_without_back(number, with, new, old):
        "version {number} is `reversible`, and nothing undoes `{with}`",
        "add `back = path`, a `fn(&{new}) -> {old}`, or remove `reversible`";
    turn_unfit(option, path, was, is, name, new, old_field, old, function):
        "`{option} = {path}` is not a `fn(&{was}) -> {is}`",
        "it makes `{name}` of `{new}` from `{old_field}` of `{old}`: write `fn {function}(old: &{was}) -> {is}`";
    put_back_twice(old_field, first, second, old, new):
        "`{old_field}` would be put back from both `{first}` and `{second}`",
        "remove `reversible` and write the way down, `#[machine(migrate)] fn down(new: &{new}) -> {old}`; \
         or give `back` to one field alone, if that holds all of `{old_field}`";
    removed_without_value(number, name):
        "version {number} is `reversible`, and `{name}` has no value on the way down",
        "say what to put back: `removes({name} = …)`, or remove `reversible`";
    variant_lost(variant, old, new, before, number):
        "variant `{variant}` of `{old}` goes nowhere in `{new}`",
        "add `{variant}`, say `#[machine(from = {variant})]` on the variant that takes its place, \
         or write the migration from version {before} to version {number}";
    variant_twice(old, first, second):
        "`{old}` would become both `{first}` and `{second}`",
        "remove `from` from one of them";
    variant_from_unknown(from, old, known):
        "`{old}` has no variant `{from}`",
        "`from` names a variant of the state before; those of `{old}` are {known}";
    variant_without_way_down(variant, new, old, number):
        "version {number} is `reversible`, and variant `{variant}` of `{new}` has no counterpart in `{old}`",
        "remove `reversible` and write the way down: `#[machine(migrate)] fn down(new: &{new}) -> Result<{old}, E>`";
}

// types
messages! {
    state_lifetime(state):
        "`{state}` cannot be a machine state: it has a lifetime",
        "a state is saved and moved between versions, so it owns what it holds: `String` in place of `&str`";
    state_generic(state):
        "`{state}` cannot be a machine state: it is generic",
        "write the types out; a machine with other types is another machine";
    state_union(state):
        "`{state}` cannot be a machine state: it is a union",
        "use an enum";
    state_alias(state):
        "`{state}` cannot be a machine state: it is a type alias",
        "mark the type itself, or take it in with `#[machine(version = …)] pub use path::Type as {state};`";
    cfg_in_state(place, state):
        "a {place} of `{state}` cannot have a `cfg`: the same version would have two shapes",
        "put the `cfg` on a version of its own, or keep the {place} in all builds";
    type_borrows(of):
        "{of} borrows, and must own what it holds",
        "use an owned type: `String` in place of `&str`, `Vec<T>` in place of `&[T]`";
    type_function(of):
        "{of} holds a function, which cannot be saved or moved to another version",
        "keep what selects it, such as an enum, and match on that in the step";
    type_open(of):
        "{of} holds an open type, which cannot be read back from a snapshot",
        "write one concrete type, for example an enum of the cases";
    serde_skip(skip, of):
        "`{skip}` in `{of}`: a skipped field would not survive being saved",
        "remove the attribute, or keep the value outside the machine";
    serde_refused(name, of):
        "`{name}` in `{of}`: snapshots are not self-describing and could not be read back",
        "remove the attribute; for JSON of another form convert at the edge of the program";
    frozen_changed(state, number, reached, next, now):
        "the shape of `{state}`{reached} changed, but its version is still {number}",
        "add version {next} and restore what changed; if version {number} was never released, set `frozen = \"{now}\"`";
    frozen_not_a_fingerprint(state, number, now):
        "this is not a fingerprint, so nothing pins `{state}`",
        "version {number} is now `frozen = \"{now}\"`";
}

// one name that stands for two things
messages! {
    extends_with_cfg(variant, name, of):
        "variant `{variant}` has a `cfg`, and `{name}` extends `{of}` variant by variant",
        "keep the variant in all builds, or write `#[machine(adapt)] fn f(old: {of}) -> {name}` in place of `extends`";
    cfg_of_two(name, of):
        "`{name}` is defined twice, each with a `cfg`, and `{of}` depends on it: the same version would have two shapes",
        "keep one definition in all builds, or put the `cfg` on a version of its own";
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proc_macro2::TokenTree;
    use syn::{Item, LitStr};

    /// The names and facts of all messages, as they stand above.
    fn messages() -> Vec<(String, String)> {
        let file = syn::parse_file(include_str!("diag.rs")).expect("this file parses");
        let lists = file.items.into_iter().filter_map(|item| match item {
            Item::Macro(item) if item.mac.path.is_ident("messages") => Some(item.mac.tokens),
            _ => None,
        });
        let mut messages = Vec::new();
        for list in lists {
            let tokens: Vec<TokenTree> = list.into_iter().collect();
            for message in tokens.split(|token| matches!(token, TokenTree::Punct(end) if end.as_char() == ';')) {
                let fact = message.iter().find(|token| matches!(token, TokenTree::Literal(_)));
                let fact = fact.map(|fact| syn::parse2::<LitStr>(fact.clone().into()).expect("a fact is a string"));
                messages.extend(message.first().zip(fact).map(|(name, fact)| (name.to_string(), fact.value())));
            }
        }
        messages
    }

    /// Whether a line is this fact, whatever stands in its place holders.
    fn says(line: &str, fact: &str) -> bool {
        let mut rest = line;
        fact.split('{').all(|part| {
            let text = part.split_once('}').map_or(part, |(_, text)| text);
            rest.find(text).map(|at| rest = &rest[at + text.len()..]).is_some()
        })
    }

    #[test]
    fn every_message_has_a_case() {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui-tests/cases");
        let entries = |path: &Path| fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
        let files =
            entries(&cases).filter(|path| path.is_dir()).flat_map(|folder| entries(&folder).collect::<Vec<_>>());
        let said = files.filter(|path| path.extension().is_some_and(|extension| extension == "stderr"));
        let said: String = said.map(|path| fs::read_to_string(path).expect("a text")).collect();
        let unsaid = |fact: &str| !said.lines().any(|line| says(line, fact));
        let messages = messages();
        assert!(messages.len() > 140, "only {} messages were found", messages.len());
        let missing: Vec<_> = messages.iter().filter(|(_, fact)| unsaid(fact)).map(|(name, _)| name).collect();
        assert!(missing.is_empty(), "no case of ui-tests says: {missing:?}");
    }
}
