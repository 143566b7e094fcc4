"""The named worlds. Together they have what the issue names; each stresses something."""

from tests.simulation.spec import HostSpec, Spec

AGENT = HostSpec()
WATCHING_AGENT = HostSpec(watching=True, confirm_every=300)
SERVER = HostSpec(source="server-api")
WATCHING_SERVER = HostSpec(source="server-api", watching=True, every=5)

HOUR = 3600.0

WORLDS: tuple[Spec, ...] = (
    Spec(
        name="calm",
        about="one server, `watch` behind an agent, nothing goes wrong",
        hosts=(HostSpec(watching=True, confirm_every=600),),
        ca_ttl=2 * HOUR,
        days=7,
    ),
    Spec(
        name="timer",
        about="one server, a 60 s timer behind an agent; patient rotations by hand, short restarts",
        hosts=(AGENT,),
        happens={"rotate": 4 * HOUR, "restart": 6 * HOUR},
    ),
    Spec(
        name="emergencies",
        about="`watch` on the server API with a state file; hasty rotations, keys tainted and revoked",
        hosts=(HostSpec(source="server-api", watching=True, every=5, remembers=True, confirm_every=600),),
        ca_ttl=12 * HOUR,
        days=3,
        happens={"emergency": 0.2 * HOUR, "hurry": 2 * HOUR, "rotate": 6 * HOUR, "kill": 3 * HOUR},
    ),
    Spec(
        name="replicas",
        about="three servers on one datastore, three publishers with sequence numbers, one of them lagging",
        ca_ttl=4 * HOUR,
        replicas=3,
        days=3,
        hosts=(
            WATCHING_SERVER,
            HostSpec(source="server-api", replica=1, remembers=True),
            HostSpec(source="server-api", replica=2, lag=45, every=90),
        ),
        happens={"emergency": 3 * HOUR, "server dead": 5 * HOUR, "restart": 5 * HOUR, "slow": 12 * HOUR},
    ),
    Spec(
        name="two agents",
        about="two publishers behind two agents: no sequence number tells which bundle is older",
        replicas=2,
        ca_ttl=2 * HOUR,
        hosts=(WATCHING_AGENT, HostSpec(replica=1, remembers=True)),
        happens={"emergency": 2 * HOUR, "server dead": 4 * HOUR, "kill": 6 * HOUR, "slow": 12 * HOUR},
    ),
    Spec(
        name="memory keys",
        about="two servers that keep keys in memory and restart often",
        replicas=2,
        keeps_keys=False,
        ca_ttl=2 * HOUR,
        hosts=(WATCHING_AGENT, HostSpec(source="server-api", replica=1, watching=True, every=5)),
        happens={"restart": 1 * HOUR, "kill": 6 * HOUR},
    ),
    Spec(
        name="crashes",
        about="publishers killed between any two writes, lost replies, outages, a slow store",
        hosts=(WATCHING_SERVER, HostSpec(source="server-api", remembers=True)),
        loses_replies=0.05,
        happens={
            "kill": 0.2 * HOUR,
            "outage": 3 * HOUR,
            "slow": 6 * HOUR,
            "emergency": 2 * HOUR,
            "restart": 6 * HOUR,
        },
    ),
    Spec(
        name="host away",
        about="a host with a state file is away for days; revocations, and new datastores, meanwhile",
        hosts=(
            WATCHING_SERVER,
            HostSpec(source="server-api", remembers=True),
            HostSpec(source="workload-api", remembers=True, every=300),
        ),
        ca_ttl=2 * HOUR,
        days=6,
        happens={"away": 12 * HOUR, "emergency": 6 * HOUR, "datastore lost": 72 * HOUR},
    ),
    Spec(
        name="datastore lost",
        about="keys and datastore lost again and again; a person overrides after seeing the refusal",
        hosts=(WATCHING_AGENT, HostSpec(source="server-api", remembers=True)),
        ca_ttl=2 * HOUR,
        days=4,
        happens={"datastore lost": 8 * HOUR, "emergency": 4 * HOUR, "kill": 4 * HOUR},
    ),
    Spec(
        name="wrong source",
        about="hosts are pointed at another SPIRE now and then, until a person corrects it",
        hosts=(HostSpec(watching=True, remembers=True), SERVER),
        days=3,
        happens={"wrong source": 3 * HOUR, "emergency": 3 * HOUR},
    ),
    Spec(
        name="short ca_ttl",
        about="a `ca_ttl` of 20 min: less lead time than needed",
        ca_ttl=1200,
        days=1,
        hosts=(AGENT,),
        token_every=60,
        tested_days=0.2,
    ),
    Spec(
        name="defaults",
        about="`ca_ttl` 24 h, two servers, a 5 min timer; everything goes wrong now and then",
        ca_ttl=24 * HOUR,
        replicas=2,
        days=14,
        hosts=(HostSpec(every=300, remembers=True),),
        happens={
            "restart": 24 * HOUR,
            "server dead": 48 * HOUR,
            "outage": 48 * HOUR,
            "kill": 24 * HOUR,
            "emergency": 72 * HOUR,
            "rotate": 48 * HOUR,
        },
        token_every=300,
        tested_days=0,
    ),
    Spec(
        name="half a year",
        about="`ca_ttl` 180 days: SPIRE's caps of 30 and 7 days; `watch`, confirmed hourly",
        ca_ttl=180 * 24 * HOUR,
        days=400,
        hosts=(HostSpec(source="server-api", watching=True, every=5, confirm_every=3600),),
        token_every=4 * HOUR,
        tested_days=0,
    ),
)

BY_NAME = {spec.name: spec for spec in WORLDS}
