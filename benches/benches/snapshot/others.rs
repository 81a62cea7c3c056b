//! The record of [`hotswap_benches::five::heap`] in five versions, as other crates for versioned data have it.
//!
//! Each has `old`, the bytes that its first version wrote, and `read`, which makes of them a record of the fifth.

/// `revision`: one struct, whose fields say since when they are there.
pub(crate) mod by_revision {
    use revision::{Error, from_slice, revisioned, to_vec};

    #[revisioned(revision = 1)]
    pub(crate) struct Old {
        a: u64,
        name: String,
        list: Vec<String>,
    }

    #[revisioned(revision = 5)]
    #[derive(Debug)]
    pub(crate) struct Record {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        #[revision(start = 2, default_fn = "b")]
        pub(crate) b: u64,
        #[revision(start = 3, default_fn = "c")]
        pub(crate) c: u64,
        #[revision(start = 4, default_fn = "d")]
        pub(crate) d: u64,
        #[revision(start = 5, default_fn = "e")]
        pub(crate) e: u64,
    }

    #[expect(clippy::unnecessary_wraps, reason = "the crate asks for it")]
    impl Record {
        fn b(_: u16) -> Result<u64, Error> {
            Ok(2)
        }
        fn c(_: u16) -> Result<u64, Error> {
            Ok(3)
        }
        fn d(_: u16) -> Result<u64, Error> {
            Ok(4)
        }
        fn e(_: u16) -> Result<u64, Error> {
            Ok(5)
        }
    }

    pub(crate) fn old(a: u64, name: String, list: Vec<String>) -> Vec<u8> {
        to_vec(&Old { a, name, list }).expect("it can be encoded")
    }

    pub(crate) fn read(bytes: &[u8]) -> Record {
        from_slice(bytes).expect("it is one")
    }
}

/// `savefile`: the same, with one number for the whole file.
pub(crate) mod by_savefile {
    use savefile::{Serializer, load_noschema};
    use savefile_derive::Savefile;

    #[derive(Savefile)]
    pub(crate) struct Old {
        a: u64,
        name: String,
        list: Vec<String>,
    }

    #[derive(Debug, Savefile)]
    pub(crate) struct Record {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        #[savefile_versions = "1.."]
        #[savefile_default_val = "2"]
        pub(crate) b: u64,
        #[savefile_versions = "2.."]
        #[savefile_default_val = "3"]
        pub(crate) c: u64,
        #[savefile_versions = "3.."]
        #[savefile_default_val = "4"]
        pub(crate) d: u64,
        #[savefile_versions = "4.."]
        #[savefile_default_val = "5"]
        pub(crate) e: u64,
    }

    pub(crate) fn old(a: u64, name: String, list: Vec<String>) -> Vec<u8> {
        let mut bytes = Vec::new();
        Serializer::save_noschema(&mut bytes, 0, &Old { a, name, list }).expect("it can be encoded");
        bytes
    }

    pub(crate) fn read(mut bytes: &[u8]) -> Record {
        load_noschema(&mut bytes, 4).expect("it is one")
    }
}

/// `native_model`: a struct for each version, and `From` both ways between neighbours.
pub(crate) mod by_native_model {
    use native_model::native_model;
    use native_model::{Decode, Encode};
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};

    /// As the crate's own feature has it, which asks for more of postcard than hotswap does.
    struct PostCard;

    impl<T: Serialize> Encode<T> for PostCard {
        type Error = postcard::Error;

        fn encode(value: &T) -> postcard::Result<Vec<u8>> {
            postcard::to_allocvec(value)
        }
    }

    impl<T: DeserializeOwned> Decode<T> for PostCard {
        type Error = postcard::Error;

        fn decode(bytes: Vec<u8>) -> postcard::Result<T> {
            postcard::from_bytes(&bytes)
        }
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[native_model(id = 1, version = 1, with = PostCard)]
    pub(crate) struct Record1 {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[native_model(id = 1, version = 2, with = PostCard, from = Record1)]
    pub(crate) struct Record2 {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        pub(crate) b: u64,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[native_model(id = 1, version = 3, with = PostCard, from = Record2)]
    pub(crate) struct Record3 {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        pub(crate) b: u64,
        pub(crate) c: u64,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[native_model(id = 1, version = 4, with = PostCard, from = Record3)]
    pub(crate) struct Record4 {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        pub(crate) b: u64,
        pub(crate) c: u64,
        pub(crate) d: u64,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[native_model(id = 1, version = 5, with = PostCard, from = Record4)]
    pub(crate) struct Record {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        pub(crate) b: u64,
        pub(crate) c: u64,
        pub(crate) d: u64,
        pub(crate) e: u64,
    }

    impl From<Record1> for Record2 {
        fn from(old: Record1) -> Self {
            Self { a: old.a, name: old.name, list: old.list, b: 2 }
        }
    }

    impl From<Record2> for Record1 {
        fn from(new: Record2) -> Self {
            Self { a: new.a, name: new.name, list: new.list }
        }
    }

    impl From<Record2> for Record3 {
        fn from(old: Record2) -> Self {
            Self { a: old.a, name: old.name, list: old.list, b: old.b, c: 3 }
        }
    }

    impl From<Record3> for Record2 {
        fn from(new: Record3) -> Self {
            Self { a: new.a, name: new.name, list: new.list, b: new.b }
        }
    }

    impl From<Record3> for Record4 {
        fn from(old: Record3) -> Self {
            Self { a: old.a, name: old.name, list: old.list, b: old.b, c: old.c, d: 4 }
        }
    }

    impl From<Record4> for Record3 {
        fn from(new: Record4) -> Self {
            Self { a: new.a, name: new.name, list: new.list, b: new.b, c: new.c }
        }
    }

    impl From<Record4> for Record {
        fn from(old: Record4) -> Self {
            Self { a: old.a, name: old.name, list: old.list, b: old.b, c: old.c, d: old.d, e: 5 }
        }
    }

    impl From<Record> for Record4 {
        fn from(new: Record) -> Self {
            Self { a: new.a, name: new.name, list: new.list, b: new.b, c: new.c, d: new.d }
        }
    }

    pub(crate) fn old(a: u64, name: String, list: Vec<String>) -> Vec<u8> {
        native_model::encode(&Record1 { a, name, list }).expect("it can be encoded")
    }

    /// It takes the bytes for itself.
    pub(crate) fn read(bytes: Vec<u8>) -> Record {
        native_model::decode(bytes).expect("it is one").0
    }
}

/// `obake`: one struct, whose fields say in which versions they are, and `From` between neighbours; an enum of all, by serde.
pub(crate) mod by_obake {
    use serde::{Deserialize, Serialize};

    #[obake::versioned]
    #[obake(version("1.0.0"))]
    #[obake(version("2.0.0"))]
    #[obake(version("3.0.0"))]
    #[obake(version("4.0.0"))]
    #[obake(version("5.0.0"))]
    #[obake(derive(Serialize, Deserialize))]
    #[derive(Debug, Serialize, Deserialize)]
    pub(crate) struct Record {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        #[obake(cfg(">=2.0.0"))]
        pub(crate) b: u64,
        #[obake(cfg(">=3.0.0"))]
        pub(crate) c: u64,
        #[obake(cfg(">=4.0.0"))]
        pub(crate) d: u64,
        #[obake(cfg(">=5.0.0"))]
        pub(crate) e: u64,
    }

    impl From<Record!["1.0.0"]> for Record!["2.0.0"] {
        fn from(old: Record!["1.0.0"]) -> Self {
            Self { a: old.a, name: old.name, list: old.list, b: 2 }
        }
    }

    impl From<Record!["2.0.0"]> for Record!["3.0.0"] {
        fn from(old: Record!["2.0.0"]) -> Self {
            Self { a: old.a, name: old.name, list: old.list, b: old.b, c: 3 }
        }
    }

    impl From<Record!["3.0.0"]> for Record!["4.0.0"] {
        fn from(old: Record!["3.0.0"]) -> Self {
            Self { a: old.a, name: old.name, list: old.list, b: old.b, c: old.c, d: 4 }
        }
    }

    impl From<Record!["4.0.0"]> for Record!["5.0.0"] {
        fn from(old: Record!["4.0.0"]) -> Self {
            Self { a: old.a, name: old.name, list: old.list, b: old.b, c: old.c, d: old.d, e: 5 }
        }
    }

    pub(crate) fn old(a: u64, name: String, list: Vec<String>) -> Vec<u8> {
        type Old = Record!["1.0.0"];
        let any: obake::AnyVersion<Record> = Old { a, name, list }.into();
        postcard::to_allocvec(&any).expect("it can be encoded")
    }

    pub(crate) fn read(bytes: &[u8]) -> Record {
        postcard::from_bytes::<obake::AnyVersion<Record>>(bytes).expect("it is one").into()
    }
}

/// `tfhe-versionable`: a struct for each version, an enum of them, and `Upgrade` between neighbours; by serde.
pub(crate) mod by_tfhe_versionable {
    use tfhe_versionable::{Unversionize, Upgrade, Version, Versionize, VersionsDispatch};

    #[derive(Version)]
    pub(crate) struct Record1 {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
    }

    #[derive(Version)]
    pub(crate) struct Record2 {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        pub(crate) b: u64,
    }

    #[derive(Version)]
    pub(crate) struct Record3 {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        pub(crate) b: u64,
        pub(crate) c: u64,
    }

    #[derive(Version)]
    pub(crate) struct Record4 {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        pub(crate) b: u64,
        pub(crate) c: u64,
        pub(crate) d: u64,
    }

    #[derive(Debug, Versionize)]
    #[versionize(Records)]
    pub(crate) struct Record {
        pub(crate) a: u64,
        pub(crate) name: String,
        pub(crate) list: Vec<String>,
        pub(crate) b: u64,
        pub(crate) c: u64,
        pub(crate) d: u64,
        pub(crate) e: u64,
    }

    #[derive(VersionsDispatch)]
    #[expect(dead_code, reason = "the derive makes others of it")]
    pub(crate) enum Records {
        V1(Record1),
        V2(Record2),
        V3(Record3),
        V4(Record4),
        V5(Record),
    }

    impl Upgrade<Record2> for Record1 {
        type Error = std::convert::Infallible;

        fn upgrade(self) -> Result<Record2, Self::Error> {
            Ok(Record2 { a: self.a, name: self.name, list: self.list, b: 2 })
        }
    }

    impl Upgrade<Record3> for Record2 {
        type Error = std::convert::Infallible;

        fn upgrade(self) -> Result<Record3, Self::Error> {
            Ok(Record3 { a: self.a, name: self.name, list: self.list, b: self.b, c: 3 })
        }
    }

    impl Upgrade<Record4> for Record3 {
        type Error = std::convert::Infallible;

        fn upgrade(self) -> Result<Record4, Self::Error> {
            Ok(Record4 { a: self.a, name: self.name, list: self.list, b: self.b, c: self.c, d: 4 })
        }
    }

    impl Upgrade<Record> for Record4 {
        type Error = std::convert::Infallible;

        fn upgrade(self) -> Result<Record, Self::Error> {
            Ok(Record { a: self.a, name: self.name, list: self.list, b: self.b, c: self.c, d: self.d, e: 5 })
        }
    }

    /// The program as it was when there was one version.
    mod first {
        use tfhe_versionable::{Versionize, VersionsDispatch};

        #[derive(Versionize)]
        #[versionize(Records)]
        pub(super) struct Record {
            pub(super) a: u64,
            pub(super) name: String,
            pub(super) list: Vec<String>,
        }

        #[derive(VersionsDispatch)]
        #[expect(dead_code, reason = "the derive makes others of it")]
        pub(super) enum Records {
            V1(Record),
        }
    }

    pub(crate) fn old(a: u64, name: String, list: Vec<String>) -> Vec<u8> {
        postcard::to_allocvec(&first::Record { a, name, list }.versionize()).expect("it can be encoded")
    }

    pub(crate) fn read(bytes: &[u8]) -> Record {
        Record::unversionize(postcard::from_bytes(bytes).expect("it is one")).expect("nothing in it fails")
    }
}
