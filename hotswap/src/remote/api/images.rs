//! Images: taken in as they are sent, listed, let go. A program that takes in none says so.

use axum::Json as Body;
use axum::extract::State;

use super::Shared;
use super::ask::{Asked, At, Octets};
#[cfg(not(feature = "load"))]
use crate::remote::problem::ABSENT;
use crate::remote::problem::Refused;
use crate::remote::wire::{Arrived, Images, LetGo};

#[cfg(feature = "load")]
fn images(served: &Shared) -> Result<crate::load::Images, Refused> {
    let absent = || Refused::new(crate::remote::problem::ABSENT, "this program takes in no images");
    served.api.images.clone().ok_or_else(absent)
}

/// The images of the program.
#[utoipa::path(get, path = "/v1/images", tag = "images",
    responses((status = 200, body = Images, description = "in the order in which they came")))]
pub(super) async fn list(State(served): State<Shared>) -> Result<Body<Images>, Refused> {
    #[cfg(feature = "load")]
    {
        let images = images(&served)?;
        let list = move || Images {
            images: images.list().into_iter().map(Into::into).collect(),
            pinned: images.pinned().into_iter().map(Into::into).collect(),
        };
        Ok(Body(served.turns.looks.run(list).await?))
    }
    #[cfg(not(feature = "load"))]
    Err(without(&served))
}

/// Takes in a signed image: its further versions become available.
#[utoipa::path(post, path = "/v1/images", tag = "images",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "the signed image"),
    responses((status = 200, body = Arrived, description = "what it brought")))]
pub(super) async fn take_in(
    State(served): State<Shared>,
    asked: Asked,
    Octets(image): Octets,
) -> Result<Body<Arrived>, Refused> {
    let asked = asked.of_no_switch()?;
    #[cfg(feature = "load")]
    {
        let images = images(&served)?.by(asked.by);
        Ok(Body(served.turns.images.run(move || images.load_bytes(&image)).await??.into()))
    }
    #[cfg(not(feature = "load"))]
    {
        drop((asked, image));
        Err(without(&served))
    }
}

/// Lets an image go, if no switch uses it.
#[utoipa::path(delete, path = "/v1/images/{id}", tag = "images",
    params(("id" = String, Path, description = "what the image is called")),
    responses((status = 200, body = LetGo, description = "what became of it")))]
pub(super) async fn let_go(
    State(served): State<Shared>,
    At(id): At<String>,
    asked: Asked,
) -> Result<Body<LetGo>, Refused> {
    let asked = asked.of_no_switch()?;
    #[cfg(feature = "load")]
    {
        let images = images(&served)?.by(asked.by);
        let let_go = move || images.unload(&id).map(|let_go| (id, let_go).into());
        Ok(Body(served.turns.images.run(let_go).await??))
    }
    #[cfg(not(feature = "load"))]
    {
        drop((asked, id));
        Err(without(&served))
    }
}

#[cfg(not(feature = "load"))]
fn without(_: &Shared) -> Refused {
    Refused::new(ABSENT, "this program was built without the feature `load`, and takes in no images")
}
