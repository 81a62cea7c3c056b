//! Looks through a value for floats that JSON has no form for: they would be written as `null`, which reads back as
//! nothing, or as another value.

use std::fmt;

use serde::ser::{self, Serialize};

/// Whether JSON can hold every float in the value.
pub(crate) fn check(value: &impl Serialize) -> Result<(), String> {
    value.serialize(Finite).map_err(|error| error.0)
}

/// Where the float is, or what the value's own `Serialize` said.
#[derive(Debug)]
struct Found(String);

impl Found {
    fn float(value: f64) -> Result<(), Self> {
        if value.is_finite() { Ok(()) } else { Err(Self(format!("a float is {value}, for which JSON has no form"))) }
    }

    /// The same, from one field further out.
    fn within(self, field: &str) -> Self {
        Self(format!("in `{field}`: {}", self.0))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Writes nothing, and goes everywhere.
struct Finite;

/// What is no float, and has none in it.
macro_rules! plain {
    ($($name:ident($($what:ty),*))*) => { $(
        fn $name(self, $(_: $what),*) -> Result<(), Found> {
            Ok(())
        }
    )* };
}

impl ser::Serializer for Finite {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    plain! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_none() serialize_unit() serialize_unit_struct(&'static str)
        serialize_unit_variant(&'static str, u32, &'static str)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Found> {
        Found::float(value.into())
    }
    fn serialize_f64(self, value: f64) -> Result<(), Found> {
        Found::float(value)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self).map_err(|found| found.within(variant))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<(), Found> {
        Ok(())
    }
}

/// The parts of what is written one after another.
macro_rules! parts {
    ($($kind:ident::$part:ident)*) => { $(
        impl ser::$kind for Finite {
            type Ok = ();
            type Error = Found;

            fn $part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
                value.serialize(Self)
            }
            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )* };
}

parts! {
    SerializeSeq::serialize_element SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field
}

/// The parts that have names.
macro_rules! fields {
    ($($kind:ident)*) => { $(
        impl ser::$kind for Finite {
            type Ok = ();
            type Error = Found;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Found> {
                value.serialize(Self).map_err(|found| found.within(name))
            }
            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )* };
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Finite {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Found> {
        key.serialize(Self)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        value.serialize(Self)
    }
    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}
