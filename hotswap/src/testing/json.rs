//! Any value as JSON, maps included whose keys JSON has no way to spell: those are lists of pairs.

use std::fmt::Display;

use serde::ser::{self, Error as _, Serialize};
use serde_json::{Error, Map, Value};

/// The same as `serde_json::to_value` wherever that gives something.
pub(super) fn json(value: &(impl Serialize + ?Sized)) -> Result<Value, Error> {
    value.serialize(Json)
}

struct Json;

macro_rules! plain {
    ($($method:ident: $ty:ty,)*) => {$(
        fn $method(self, value: $ty) -> Result<Value, Error> {
            serde_json::to_value(value)
        }
    )*};
}

impl ser::Serializer for Json {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Pairs;
    type SerializeStruct = Pairs;
    type SerializeStructVariant = Pairs;

    plain! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
    }

    fn serialize_i128(self, value: i128) -> Result<Value, Error> {
        serde_json::to_value(value).or_else(|_| spelled(value))
    }
    fn serialize_u128(self, value: u128) -> Result<Value, Error> {
        serde_json::to_value(value).or_else(|_| spelled(value))
    }
    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        json(value)
    }
    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Error> {
        spelled(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, Error> {
        json(value)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        Ok(tagged(Some(variant), json(value)?))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List, Error> {
        Ok(List::default())
    }
    fn serialize_tuple(self, _: usize) -> Result<List, Error> {
        Ok(List::default())
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, Error> {
        Ok(List::default())
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<List, Error> {
        Ok(List { variant: Some(variant), ..List::default() })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Pairs, Error> {
        Ok(Pairs::default())
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Pairs, Error> {
        Ok(Pairs::default())
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Pairs, Error> {
        Ok(Pairs { variant: Some(variant), ..Pairs::default() })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a serializer's methods give")]
fn spelled(value: impl Display) -> Result<Value, Error> {
    Ok(Value::String(value.to_string()))
}

fn tagged(variant: Option<&str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Object(Map::from_iter([(variant.to_owned(), value)])),
        None => value,
    }
}

#[derive(Default)]
struct List {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.items.push(json(item)?);
        Ok(())
    }
}

macro_rules! list {
    ($($kind:ident::$method:ident,)*) => {$(
        impl ser::$kind for List {
            type Ok = Value;
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
                self.push(item)
            }
            fn end(self) -> Result<Value, Error> {
                Ok(tagged(self.variant, Value::Array(self.items)))
            }
        }
    )*};
}

list! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

#[derive(Default)]
struct Pairs {
    variant: Option<&'static str>,
    entries: Vec<(Value, Value)>,
    key: Option<Value>,
}

impl Pairs {
    /// An object, if every key can be spelled as text and no two the same; or else pairs, in an order of their own, which a
    /// `HashMap` lacks.
    fn value(mut self) -> Value {
        let object: Option<Map<String, Value>> =
            self.entries.iter().map(|(key, value)| Some((text(key)?, value.clone()))).collect();
        let value = match object {
            Some(object) if object.len() == self.entries.len() => Value::Object(object),
            _ => {
                self.entries.sort_by_cached_key(|(key, _)| key.to_string());
                self.entries.into_iter().map(|(key, value)| Value::Array(vec![key, value])).collect()
            }
        };
        tagged(self.variant, value)
    }
}

/// A key as JSON spells it.
fn text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(key.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl ser::SerializeMap for Pairs {
    type Ok = Value;
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(json(key)?);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a value without a key"))?;
        self.entries.push((key, json(value)?));
        Ok(())
    }
    fn end(self) -> Result<Value, Error> {
        Ok(self.value())
    }
}

macro_rules! fields {
    ($($kind:ident)*) => {$(
        impl ser::$kind for Pairs {
            type Ok = Value;
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                self.entries.push((Value::String(name.to_owned()), json(value)?));
                Ok(())
            }
            fn end(self) -> Result<Value, Error> {
                Ok(self.value())
            }
        }
    )*};
}

fields!(SerializeStruct SerializeStructVariant);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde::Serialize;
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    enum Kind {
        Unit,
        New(u8),
        Tuple(i8, char),
        Struct { some: Option<f32>, none: Option<()> },
    }

    #[derive(Serialize)]
    struct All {
        kinds: [Kind; 4],
        pair: (bool, &'static str),
        by_number: BTreeMap<u64, u8>,
    }

    #[test]
    fn is_what_serde_json_gives_where_that_gives_something() {
        let kinds = [Kind::Unit, Kind::New(1), Kind::Tuple(-1, 'x'), Kind::Struct { some: Some(0.5), none: None }];
        let all = All { kinds, pair: (true, "text"), by_number: [(300, 1)].into() };
        assert_eq!(json(&all).ok(), serde_json::to_value(&all).ok());
        assert!(serde_json::to_value(&all).is_ok());
    }

    #[test]
    fn keys_that_json_cannot_spell_make_pairs_in_order() {
        let map: HashMap<Vec<u8>, u8> = (0..20).map(|n| (vec![n, 0], n)).collect();
        assert!(serde_json::to_value(&map).is_err());
        let shown = json(&map).ok();
        assert_eq!(shown, json(&map.into_iter().collect::<HashMap<_, _>>()).ok());
        assert_eq!(shown.and_then(|pairs| pairs.get(1).cloned()), Some(json!([[1, 0], 1])));
        assert_eq!(json(&u128::MAX).ok(), Some(json!(u128::MAX.to_string())));
    }
}
