use hyper::{
    Response,
    header::{CONNECTION, HeaderValue, UPGRADE},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{io::copy_bidirectional, try_join};

use crate::http::{AnswerBody, UnderWay, remove_hop_by_hop};

/// Joins the two connections, once the client has the response.
pub(super) fn switch(client: OnUpgrade, response: &mut Response<AnswerBody>, under_way: UnderWay) {
    let upgrade = response.headers_mut().remove(UPGRADE);
    let upstream = hyper::upgrade::on(&mut *response);
    remove_hop_by_hop(response.headers_mut());
    if let Some(upgrade) = upgrade {
        response.headers_mut().insert(UPGRADE, upgrade);
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    tokio::spawn(async move {
        if let Ok((client, upstream)) = try_join!(client, upstream) {
            // Either end may close at any time.
            let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(upstream)).await;
        }
        drop(under_way);
    });
}
