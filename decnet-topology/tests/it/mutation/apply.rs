use decnet_topology::{
    AddDecky, AddLan, AttachDecky, Attachment, Catalog, Code, Decky, DeckyId, DetachDecky, Lan, LanId, Mutation,
    MutationContext, MutationError, Name, Persona, Position, Publish, RemoveDecky, RemoveLan, Stage, SubnetClaim,
    Topology, TopologyId, UpdateDecky, UpdateLan, ValidTopology, apply,
};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// A DMZ with a gateway and a plain decky, an office behind the gateway, and an attic without deckies.
fn maze() -> Topology {
    Topology::builder()
        .dmz("dmz", "172.16.0.0/24")
        .lan("office", "172.16.1.0/24")
        .lan("attic", "172.16.2.0/29")
        .decky("gate", |decky| {
            let decky = decky.on("dmz", "172.16.0.2").on("office", "172.16.1.2");
            decky.services(["http", "ssh"]).config("ssh", "banner", "hi").forwards()
        })
        .decky("web", |decky| decky.on("dmz", "172.16.0.3").services(["smb"]))
        .decky("desk", |decky| decky.on("office", "172.16.1.3").services(["rdp"]))
        .build()
        .expect("a maze")
}

fn change(maze: &Topology, stage: Stage, mutation: impl Into<Mutation>) -> Result<ValidTopology, MutationError> {
    apply(
        maze,
        &mutation.into(),
        &MutationContext::new(&Catalog::builtin(), stage),
    )
}

fn live(mutation: impl Into<Mutation>) -> Result<ValidTopology, MutationError> {
    change(&maze(), Stage::Live, mutation)
}

fn pending(mutation: impl Into<Mutation>) -> Result<ValidTopology, MutationError> {
    change(&maze(), Stage::Pending, mutation)
}

fn code(outcome: Result<ValidTopology, MutationError>) -> &'static str {
    outcome.map_or_else(|error| error.code(), |_| "applied")
}

fn decky<'m>(maze: &'m Topology, text: &str) -> &'m Decky {
    maze.decky_named(&name(text)).expect("a decky")
}

#[test]
fn the_published_ports_of_a_live_gateway_change_only_with_force() {
    let update = |text: &str| UpdateDecky::new(name(text));
    let cases: [(Mutation, Mutation); 4] = [
        // Becoming a gateway by a patch or an attachment, ceasing to be one, other services.
        (
            update("web").forwarding(true).into(),
            update("web").forwarding(true).force().into(),
        ),
        (
            AttachDecky::new(name("web"), name("office")).forwarding().into(),
            AttachDecky::new(name("web"), name("office"))
                .forwarding()
                .force()
                .into(),
        ),
        (
            update("gate").forwarding(false).into(),
            update("gate").forwarding(false).force().into(),
        ),
        (
            update("gate").services(["ssh"]).into(),
            update("gate").services(["ssh"]).force().into(),
        ),
    ];
    for (unforced, forced) in cases {
        assert_eq!(code(live(unforced.clone())), "FORCE_REQUIRED", "{unforced:?}");
        assert_eq!(live(forced.clone()), pending(unforced));
        assert_eq!(code(live(forced)), "applied");
    }
}

#[test]
fn a_change_without_effect_on_published_ports_needs_no_force() {
    let cases: [Mutation; 7] = [
        UpdateDecky::new(name("gate")).services(["ssh", "http"]).into(),
        UpdateDecky::new(name("gate"))
            .forwarding(true)
            .archetype(Some("deaddeck"))
            .into(),
        UpdateDecky::new(name("gate")).service_config([].into()).into(),
        UpdateDecky::new(name("web")).services(["ftp"]).into(),
        AddDecky::new(name("second"), name("dmz"))
            .services(["ftp"])
            .forwarding()
            .into(),
        RemoveDecky::new(name("gate")).into(),
        DetachDecky::new(name("gate"), name("office")).into(),
    ];
    for mutation in cases {
        assert_eq!(code(live(mutation.clone())), "applied", "{mutation:?}");
    }
}

#[test]
fn a_router_that_is_not_a_gateway_is_switched_without_force() {
    let bridge = live(AttachDecky::new(name("desk"), name("attic"))).expect("legal");
    assert!(!decky(&bridge, "desk").is_router());
    let router = change(&bridge, Stage::Live, UpdateDecky::new(name("desk")).forwarding(true)).expect("legal");
    assert!(decky(&router, "desk").is_router());
    let again = AttachDecky::new(name("desk"), name("dmz"));
    let wider = change(&router, Stage::Live, again).expect("legal");
    assert!(decky(&wider, "desk").is_router(), "`false` changes nothing");
}

#[test]
fn a_decky_forwards_only_if_it_has_something_to_forward_between() {
    for stage in [Stage::Live, Stage::Pending] {
        let forward = UpdateDecky::new(name("desk")).forwarding(true).force();
        assert_eq!(code(change(&maze(), stage, forward)), "ROUTER_SINGLE_HOMED");
    }
    // A decky that already forwards is not refused.
    let idle = pending(AddDecky::new(name("idle"), name("office")).forwarding()).expect("a warning only");
    let again = UpdateDecky::new(name("idle")).forwarding(true);
    assert_eq!(code(change(&idle, Stage::Live, again)), "applied");
}

#[test]
fn a_persona_is_pinned_replaced_and_cleared_and_loses_the_versions_of_dropped_services() {
    let pins = Persona::default()
        .os("windows-server-2019")
        .version("ssh", "OpenSSH_8.4");
    let windows = UpdateDecky::new(name("gate")).persona(Some(pins.clone()));
    assert_eq!(code(live(windows.clone())), "FORCE_REQUIRED");
    let pinned = live(windows.force()).expect("legal");
    assert_eq!(decky(&pinned, "gate").persona(), Some(&pins));
    let dropped = UpdateDecky::new(name("gate")).services(["http"]).force();
    let dropped = change(&pinned, Stage::Live, dropped).expect("legal");
    let kept = Persona::default().os("windows-server-2019");
    assert_eq!(decky(&dropped, "gate").persona(), Some(&kept));
    let clear = UpdateDecky::new(name("gate")).persona(None);
    let Err(refused) = change(&pinned, Stage::Live, clear.clone()) else {
        panic!("other packets without force");
    };
    assert_eq!(
        refused.to_string(),
        "this changes the TTL and TCP timestamps of decky `gate` and recreates its base; repeat it with `force`"
    );
    let cleared = change(&pinned, Stage::Live, clear.force()).expect("legal");
    assert_eq!(decky(&cleared, "gate").persona(), None);
    // A system whose packets are alike, and an archetype that changes them.
    let ubuntu = UpdateDecky::new(name("gate")).persona(Some(Persona::default().os("ubuntu-24.04")));
    assert_eq!(code(live(ubuntu)), "applied");
    let switch = UpdateDecky::new(name("gate")).archetype(Some("network-switch"));
    assert_eq!(code(live(switch.clone())), "FORCE_REQUIRED");
    assert_eq!(code(live(switch.force())), "applied");
    let added = AddDecky::new(name("new"), name("office")).persona(kept.clone());
    assert_eq!(decky(&live(added).expect("legal"), "new").persona(), Some(&kept));
    let wrong = UpdateDecky::new(name("gate")).persona(Some(Persona::default().os("beos")));
    assert_eq!(code(live(wrong)), "RESULT_INVALID");
}

#[test]
fn dropping_a_service_drops_its_config() {
    let after = pending(UpdateDecky::new(name("gate")).services(["http"])).expect("legal");
    assert!(decky(&after, "gate").service_config().is_empty());
    let kept = pending(UpdateDecky::new(name("gate")).services(["ssh"])).expect("legal");
    assert_eq!(
        decky(&kept, "gate").service_config(),
        decky(&maze(), "gate").service_config()
    );
    let both = UpdateDecky::new(name("gate"))
        .services(["http"])
        .service_config([("ssh".into(), [].into())].into());
    let Err(MutationError::ResultInvalid { report }) = pending(both) else {
        panic!("the config of a dropped service");
    };
    let codes: Vec<_> = report.errors().map(|error| error.code).collect();
    assert_eq!(codes, [Code::ServiceCfgUndeclared]);
}

#[test]
fn a_running_lan_changes_only_its_position() {
    let update = || UpdateLan::new(name("attic"));
    let place = Position {
        x: Some(4.into()),
        y: None,
    };
    let frozen = [
        update().rename(name("attic")),
        update().rename(name("loft")),
        update().subnet(None),
        update().subnet("172.16.2.0/29".parse().ok()),
        update().dmz(false),
    ];
    for update in frozen {
        assert_eq!(code(live(update.clone())), "FROZEN_WHILE_LIVE", "{update:?}");
        assert_eq!(code(pending(update)), "applied");
    }
    let moved = live(update().at(place)).expect("legal");
    assert_eq!(moved.lan_named(&name("attic")).expect("there").position(), place);
    let back = change(
        &moved,
        Stage::Live,
        update().at(Position {
            y: Some(1.into()),
            x: None,
        }),
    )
    .expect("legal");
    let both = Position {
        x: Some(4.into()),
        y: Some(1.into()),
    };
    assert_eq!(back.lan_named(&name("attic")).expect("there").position(), both);
    let cleared = change(&back, Stage::Live, update().exactly_at(Position { x: None, ..both })).expect("legal");
    let kept = Position { x: None, ..both };
    assert_eq!(cleared.lan_named(&name("attic")).expect("there").position(), kept);
}

#[test]
fn a_pending_lan_may_be_renamed_and_moved_but_not_onto_another_or_away_from_its_deckies() {
    let rename = |from: &str, to: &str| pending(UpdateLan::new(name(from)).rename(name(to)));
    assert_eq!(code(rename("attic", "Office")), "LAN_NAME_DUP");
    let upper = rename("office", "Office").expect("its own name");
    assert_eq!(upper.lans()[1].name().as_str(), "Office");
    let onto = UpdateLan::new(name("attic")).subnet("172.16.0.0/16".parse().ok());
    assert_eq!(code(pending(onto)), "RESULT_INVALID");
    let away = UpdateLan::new(name("office")).subnet("10.0.0.0/24".parse().ok());
    assert_eq!(code(pending(away)), "RESULT_INVALID");
    let anywhere = pending(UpdateLan::new(name("attic")).subnet(None)).expect("one is free");
    assert_eq!(anywhere.lans()[2].subnet().to_string(), "172.16.3.0/24");
}

#[test]
fn a_home_is_neither_removed_nor_left() {
    let (decky_name, lan) = (name("gate"), name("dmz"));
    assert_eq!(
        code(live(DetachDecky::new(decky_name.clone(), lan.clone()))),
        "DETACH_FROM_HOME"
    );
    assert_eq!(code(live(RemoveLan::new(lan))), "LAN_IS_A_HOME");
    let visited = live(AttachDecky::new(decky_name, name("attic"))).expect("legal");
    let after = change(&visited, Stage::Live, RemoveLan::new(name("ATTIC"))).expect("visitors only");
    assert_eq!(
        decky(&after, "gate").attachments(),
        decky(&maze(), "gate").attachments()
    );
    assert_eq!(after.lans().len(), 2);
}

#[test]
fn the_first_membership_of_a_decky_without_any_is_its_home() {
    let adrift = Decky::new(DeckyId::new(7), name("adrift")).forwarding(true);
    let (lans, mut deckies) = maze().into_parts();
    deckies.push(adrift);
    let maze = Topology::new(lans, deckies).expect("a maze");
    let attach = AttachDecky::new(name("adrift"), name("dmz"));
    assert_eq!(
        code(change(&maze, Stage::Live, attach.clone())),
        "FORCE_REQUIRED",
        "it becomes a gateway"
    );
    let home = change(&maze, Stage::Live, attach.force()).expect("legal");
    let dmz = home.dmz().expect("one").id();
    assert_eq!(
        decky(&home, "adrift").attachments(),
        [Attachment {
            lan: dmz,
            ip: [172, 16, 0, 4].into()
        }]
    );
    assert_eq!(
        code(change(
            &maze,
            Stage::Live,
            DetachDecky::new(name("adrift"), name("dmz"))
        )),
        "NOT_ATTACHED"
    );
}

#[test]
fn new_ids_are_greater_than_all_existing_ones_which_stay() {
    let (mut lans, deckies) = maze().into_parts();
    lans.push(Lan::new(
        LanId::new(40),
        name("far"),
        "10.9.0.0/24".parse().expect("a subnet"),
        false,
    ));
    let maze = Topology::new(lans, deckies).expect("a maze");
    let after = change(&maze, Stage::Live, AddLan::new(name("more"))).expect("legal");
    assert_eq!(after.lan_named(&name("more")).expect("there").id(), LanId::new(41));
    let fewer = change(&after, Stage::Live, RemoveDecky::new(name("web"))).expect("legal");
    let after = change(&fewer, Stage::Live, AddDecky::new(name("web"), name("more"))).expect("legal");
    assert_eq!(decky(&after, "web").id(), DeckyId::new(3));
    let (mut lans, deckies) = after.into_topology().into_parts();
    lans.push(Lan::new(
        LanId::new(u32::MAX),
        name("last"),
        "10.8.0.0/24".parse().expect("a subnet"),
        false,
    ));
    let full = Topology::new(lans, deckies).expect("a maze");
    assert_eq!(
        code(change(&full, Stage::Live, AddLan::new(name("one-more")))),
        "IDS_EXHAUSTED"
    );
}

#[test]
fn allocated_subnets_avoid_every_claim() {
    let catalog = Catalog::builtin();
    let claim = |subnet: &str| SubnetClaim {
        topology: TopologyId::nil(),
        name: "other".parse().expect("a name"),
        lan: name("lan"),
        subnet: subnet.parse().expect("a subnet"),
    };
    let claims = [claim("172.16.2.32/27"), claim("10.0.0.0/8")];
    let context = MutationContext {
        claims: &claims,
        pool: "172.16.0.0/22".parse().expect("a pool"),
        prefix: 26,
        ..MutationContext::new(&catalog, Stage::Live)
    };
    let after = apply(&maze(), &AddLan::new(name("new")).into(), &context).expect("room");
    assert_eq!(
        after.lan_named(&name("new")).expect("there").subnet().to_string(),
        "172.16.2.64/26"
    );
    let claimed = AddLan::new(name("new")).subnet("10.1.0.0/24".parse().expect("a subnet"));
    assert_eq!(code(apply(&maze(), &claimed.into(), &context)), "RESULT_INVALID");
    let narrow = MutationContext {
        pool: "172.16.0.0/25".parse().expect("a pool"),
        prefix: 24,
        ..context
    };
    assert_eq!(
        code(apply(&maze(), &AddLan::new(name("new")).into(), &narrow)),
        "SUBNET_POOL_EXHAUSTED"
    );
}

#[test]
fn a_decky_that_is_added_without_services_gets_those_of_its_archetype() {
    let catalog = Catalog::builtin();
    let usual = &catalog.archetype("web-server").expect("an archetype").services;
    let services = |add: AddDecky| {
        let after = live(add).expect("legal");
        decky(after.topology(), "new").services().clone()
    };
    let add = || AddDecky::new(name("new"), name("dmz"));
    assert_eq!(services(add().archetype("web-server")), *usual);
    assert_eq!(services(add().archetype("web-server").services(["ssh"])).len(), 1);
    for none in [
        add(),
        add().archetype("web-server").services([""; 0]),
        add().archetype("toaster"),
    ] {
        assert!(services(none.clone()).is_empty(), "{none:?}");
    }
    // The services stay when the archetype changes.
    let desk = UpdateDecky::new(name("desk")).archetype(Some("web-server"));
    let after = live(desk).expect("legal");
    assert_eq!(decky(after.topology(), "desk").services().len(), 1);
}

#[test]
fn ports_mapped_to_different_host_ports_do_not_clash() {
    let catalog = Catalog::builtin();
    let second: Mutation = AddDecky::new(name("second"), name("dmz"))
        .services(["ssh"])
        .forwarding()
        .into();
    let context = MutationContext::new(&catalog, Stage::Live);
    assert_eq!(code(apply(&maze(), &second, &context)), "RESULT_INVALID");
    let publish: Publish = ["second.ssh=2222".parse().expect("a rule")].into_iter().collect();
    let mapped = MutationContext {
        publish: Some(&publish),
        ..context
    };
    assert_eq!(code(apply(&maze(), &second, &mapped)), "applied");
}

#[test]
fn a_change_of_a_maze_with_an_existing_fault_must_fix_the_fault() {
    let (lans, mut deckies) = maze().into_parts();
    deckies[1] = deckies[1].clone().with_services(["warp".into()]);
    let faulty = Topology::new(lans, deckies).expect("a maze");
    assert_eq!(
        code(change(&faulty, Stage::Pending, AddLan::new(name("new")))),
        "RESULT_INVALID"
    );
    assert_eq!(
        code(change(
            &faulty,
            Stage::Pending,
            UpdateDecky::new(name("web")).services(["ssh"])
        )),
        "applied"
    );
}

#[test]
fn an_unknown_name_is_reported_with_a_suggestion() {
    let error = live(AttachDecky::new(name("gat"), name("attic"))).expect_err("no such decky");
    assert_eq!(error.to_string(), "no decky named `gat` (did you mean `gate`?)");
    let error = live(RemoveLan::new(name("attick"))).expect_err("no such LAN");
    assert_eq!(error.to_string(), "no LAN named `attick` (did you mean `attic`?)");
}
