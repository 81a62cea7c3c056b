//! The OpenAPI document: made of the handlers, and completed by what holds for every route of its kind.

use utoipa::Number;
use utoipa::OpenApi;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder};

use super::{ROUTES, Route};
use crate::remote::wire::Problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "hotswap",
        description = "Live upgrades of a running program, commanded from outside. What is not HTTP, or has more than 64 \
            headers or 32 KiB of them, is answered 400 or 431 without a body.",
    ),
    components(schemas(Problem)),
    tags(
        (name = "switches", description = "what runs, and what would"),
        (name = "commands", description = "upgrade, promote, commit, roll back"),
        (name = "instances", description = "states and steps by key"),
        (name = "images", description = "versions that come as files"),
        (name = "health", description = "the server itself"),
    )
)]
struct Preamble;

pub(super) fn preamble() -> utoipa::openapi::OpenApi {
    Preamble::openapi()
}

/// The document, as `/openapi.json` gives it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = super::parts();
    complete(&mut document);
    document
}

/// What a caller shows is called so.
const TOKEN: &str = "token";

/// Adds what the table of routes says, and what every route may answer.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("hst_…");
    let token =
        token.description(Some("over TCP; at a socket the system says who calls, and over TLS a certificate may"));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(token.build()));
    components.schemas.values_mut().for_each(bound);
    for route in ROUTES {
        let Some(item) = document.paths.paths.get_mut(route.path) else { continue };
        if let Some(operation) = operation(item, route) {
            describe(operation, route);
        }
    }
}

/// Says of unsigned numbers how large they may be: of itself the document says where they begin.
fn bound(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    object.properties.values_mut().for_each(bound);
    if object.minimum.is_none() || object.maximum.is_some() {
        return;
    }
    let most = match object.format {
        Some(SchemaFormat::KnownFormat(KnownFormat::Int32)) => u32::MAX.into(),
        Some(SchemaFormat::KnownFormat(KnownFormat::Int64)) => u64::MAX,
        _ => return,
    };
    object.maximum = usize::try_from(most).ok().map(Number::UInt);
}

fn operation<'a>(item: &'a mut PathItem, route: &Route) -> Option<&'a mut Operation> {
    match route.method.as_str() {
        "GET" => item.get.as_mut(),
        "PUT" => item.put.as_mut(),
        "POST" => item.post.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

fn describe(operation: &mut Operation, route: &Route) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(<Problem as ToSchema>::name()))).build();
    let refused = ResponseBuilder::new()
        .description("refused, and nothing was done")
        .content("application/problem+json", problem);
    operation.responses.responses.insert("default".to_owned(), RefOr::T(refused.build()));
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(Parameter { schema: Some(schema), .. }) = parameter {
            bound(schema);
        }
    }
    let role = route.needs.map_or(serde_json::Value::Null, |role| role.to_string().into());
    operation.extensions.get_or_insert_default().insert("x-hotswap-role".to_owned(), role);
    if route.needs.is_some() {
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    }
    if route.changes {
        let parameters = operation.parameters.get_or_insert_default();
        let key = "the same call again under the same key is done once, and answered alike";
        parameters.push(RefOr::T(header("Idempotency-Key", key, key_schema())));
        if route.path.starts_with("/v1/switches/") {
            let tag = "the release that has to be the present one: `\"boot-epoch\"`, the `ETag` of a switch";
            parameters.push(RefOr::T(header("If-Match", tag, Object::with_type(Type::String))));
        }
    }
}

fn key_schema() -> Object {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    text.min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]+$")).build()
}

fn header(name: &str, description: &str, schema: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
