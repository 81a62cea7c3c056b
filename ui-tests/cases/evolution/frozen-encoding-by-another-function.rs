// errors: 1
use hotswap::machine;

#[machine]
mod orders {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Place {
        pub item: String,
        pub cents: u64,
    }

    #[machine(version = 1, frozen = "1-8f3404b40bbc688e")]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        #[serde(with = "text")]
        pub total: u64,
    }

    #[machine(version = 1)]
    pub fn place(_: &mut V1, _: Place) -> u64 {
        0
    }

    mod text {
        use serde::{Deserialize, Deserializer, Serializer, de::Error};
        pub fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_str(&value.to_string())
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
            String::deserialize(from)?.parse().map_err(D::Error::custom)
        }
    }
}

fn main() {}
