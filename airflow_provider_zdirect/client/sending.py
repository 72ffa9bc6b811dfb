"""One request out and its answer back, judged; nothing is repeated here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_zdirect.client.config import ClientConfig
from airflow_provider_zdirect.client.failures import Call, failure_of
from airflow_provider_zdirect.client.problems import tidy
from airflow_provider_zdirect.client.retry import RetryPolicy
from airflow_provider_zdirect.client.transport import Answer, Timeouts, Transport
from airflow_provider_zdirect.clock import Clock
from airflow_provider_zdirect.exceptions import TransportError, ZDirectError


@dataclass
class ClientStats:
    """What a client has done so far.

    :param requests: requests sent, without token requests.
    :param token_requests: token requests sent.
    :param bytes: bytes of the bodies received, after decompression.
    :param retries: requests that were sent again.
    :param waited: seconds waited for rate limits and between attempts.
    """

    requests: int = 0
    token_requests: int = 0
    bytes: int = 0
    retries: int = 0
    waited: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """An answer.

    :param flow_id: ``X-Flow-Id`` of the answer, or the one that was sent.
    :param failure: the error that it stands for; None if it was expected.
    """

    answer: Answer
    flow_id: str
    failure: ZDirectError | None


@dataclass(frozen=True)
class Sender:
    """Sends single requests for one app."""

    config: ClientConfig
    transport: Transport
    policy: RetryPolicy
    clock: Clock
    stats: ClientStats = field(default_factory=ClientStats)

    async def send(
        self,
        call: Call,
        authorization: str,
        *,
        form: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
    ) -> Outcome:
        """Send ``call`` once.

        :param authorization: scheme and credentials; masked in every text taken from the answer.
        :raises TransportError: if no complete answer came.
        """
        config = self.config
        sent_as = str(uuid.uuid4())
        try:
            answer = await self.transport.send(
                call.method,
                config.address + call.path,
                headers={
                    "Authorization": authorization,
                    "Accept": call.accept,
                    "User-Agent": config.user_agent,
                    "X-Flow-Id": sent_as,
                    **call.headers,
                },
                params=call.parameters,
                form=form,
                body=call.body,
                timeouts=timeouts,
            )
        except TransportError as error:
            message = f"{call.what}{config.source}: {error.message}"
            facts = {"path": call.path, "flow_id": sent_as, "retry_after": call.refetch_delay}
            raise error.with_message(message, **facts) from None
        secrets = (config.client_secret, authorization.rpartition(" ")[2])
        flow_id = (tidy(answer.headers.get("x-flow-id", ""), secrets) or sent_as)[:100]
        failure = failure_of(answer, call, flow_id=flow_id, now=self.clock.now(), policy=self.policy, secrets=secrets)
        return Outcome(answer, flow_id, failure)
