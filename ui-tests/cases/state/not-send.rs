// errors: 1
use hotswap::machine;

#[machine]
mod counter {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Tick;

    #[derive(Debug, Clone)]
    pub struct Shared(pub std::rc::Rc<i64>);

    impl Serialize for Shared {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Shared {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            i64::deserialize(deserializer).map(|count| Shared(std::rc::Rc::new(count)))
        }
    }

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub count: Shared,
    }

    #[machine(version = 1)]
    pub fn tick(state: &mut V1, _: Tick) {
        let _ = state;
    }
}

fn main() {
    let cell = counter::Cell::new(counter::V1 { count: counter::Shared(std::rc::Rc::new(1)) });
    let _ = cell.step(counter::Tick);
    let _ = cell.admin().upgrade(1, "nothing more is said of a machine that is used");
}
