CREATE TABLE public.alarms (
    number bigint NOT NULL,
    key character varying(200) NOT NULL,
    level character varying(20) NOT NULL,
    text text NOT NULL,
    raised_at bigint NOT NULL,
    acknowledged_at bigint,
    acknowledged_by character varying(120),
    cleared_at bigint
);
CREATE SEQUENCE public.alarms_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.alarms_number_seq OWNED BY public.alarms.number;
CREATE TABLE public.asks (
    number bigint NOT NULL,
    kind character varying(20) NOT NULL,
    "row" bigint NOT NULL
);
CREATE SEQUENCE public.asks_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.asks_number_seq OWNED BY public.asks.number;
CREATE TABLE public.audit (
    number bigint NOT NULL,
    at bigint NOT NULL,
    who character varying(120) NOT NULL,
    action character varying(120) NOT NULL,
    subject character varying(200) NOT NULL,
    outcome character varying(20) NOT NULL,
    detail text NOT NULL
);
CREATE SEQUENCE public.audit_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_number_seq OWNED BY public.audit.number;
CREATE TABLE public.events (
    number bigint NOT NULL,
    event_id character varying(120) NOT NULL,
    connection character varying(120) NOT NULL,
    kind character varying(20) NOT NULL,
    target_mw double precision NOT NULL,
    start bigint NOT NULL,
    "end" bigint NOT NULL,
    priority integer NOT NULL,
    note text NOT NULL,
    who character varying(120) NOT NULL,
    asked_at bigint NOT NULL,
    revision integer NOT NULL,
    state character varying(20) NOT NULL,
    reason text NOT NULL,
    changed_at bigint NOT NULL
);
CREATE SEQUENCE public.events_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_number_seq OWNED BY public.events.number;
CREATE TABLE public.forecasts (
    issued_at bigint NOT NULL,
    message bytea NOT NULL
);
CREATE SEQUENCE public.forecasts_issued_at_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.forecasts_issued_at_seq OWNED BY public.forecasts.issued_at;
CREATE TABLE public.latest (
    subject character varying(120) NOT NULL,
    quantity character varying(60) NOT NULL,
    measured_at bigint NOT NULL,
    received_at bigint NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.memory (
    key character varying(120) NOT NULL,
    value bytea NOT NULL
);
CREATE TABLE public.minutes (
    subject character varying(120) NOT NULL,
    quantity character varying(60) NOT NULL,
    measured_at bigint NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.overrides (
    number bigint NOT NULL,
    asset_id character varying(120) NOT NULL,
    kind character varying(20) NOT NULL,
    power_mw double precision,
    start bigint NOT NULL,
    "end" bigint,
    who character varying(120) NOT NULL,
    why text NOT NULL,
    asked_at bigint NOT NULL,
    closed_at bigint,
    closed_by character varying(120)
);
CREATE SEQUENCE public.overrides_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.overrides_number_seq OWNED BY public.overrides.number;
CREATE TABLE public.plans (
    plan_id character varying(120) NOT NULL,
    made_at bigint NOT NULL,
    source character varying(40) NOT NULL,
    gap_frac double precision,
    cost_cny double precision,
    facts bytea NOT NULL
);
CREATE TABLE public.readings (
    subject character varying(120) NOT NULL,
    quantity character varying(60) NOT NULL,
    measured_at bigint NOT NULL,
    received_at bigint NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.registers (
    subject character varying(120) NOT NULL,
    quantity character varying(60) NOT NULL,
    start bigint NOT NULL,
    mean double precision NOT NULL,
    measured_share double precision NOT NULL
);
CREATE TABLE public.said (
    asset_id character varying(120) NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    word character varying(10) NOT NULL,
    at bigint NOT NULL,
    message bytea NOT NULL
);
ALTER TABLE ONLY public.alarms ALTER COLUMN number SET DEFAULT nextval('public.alarms_number_seq'::regclass);
ALTER TABLE ONLY public.asks ALTER COLUMN number SET DEFAULT nextval('public.asks_number_seq'::regclass);
ALTER TABLE ONLY public.audit ALTER COLUMN number SET DEFAULT nextval('public.audit_number_seq'::regclass);
ALTER TABLE ONLY public.events ALTER COLUMN number SET DEFAULT nextval('public.events_number_seq'::regclass);
ALTER TABLE ONLY public.forecasts ALTER COLUMN issued_at SET DEFAULT nextval('public.forecasts_issued_at_seq'::regclass);
ALTER TABLE ONLY public.overrides ALTER COLUMN number SET DEFAULT nextval('public.overrides_number_seq'::regclass);
INSERT INTO public.alarms VALUES (1, 'broker', 'warning', 'away', 1917072000000000, 1917072001000000, 'li', NULL);
INSERT INTO public.asks VALUES (1, 'override', 1);
INSERT INTO public.asks VALUES (2, 'event', 1);
INSERT INTO public.asks VALUES (3, 'override', 1);
INSERT INTO public.audit VALUES (1, 1917072000000000, 'li', 'override.ask', 'bess.hongshan', 'done', '1: pin: 试验 ''quoted''; test');
INSERT INTO public.audit VALUES (2, 1917072000000000, 'grid', 'event.ask', 'e1', 'done', 'revision 1: peak 50 MW, received');
INSERT INTO public.audit VALUES (3, 1917072001000000, 'li', 'override.close', '1', 'done', 'ended by hand');
INSERT INTO public.audit VALUES (4, 1917072001000000, 'li', 'alarm.acknowledge', '1', 'done', 'seen');
INSERT INTO public.events VALUES (1, 'e1', 'grid.hongshan', 'peak', 50, 1917072000000000, 1917072900000000, 0, '', 'grid', 1917072000000000, 1, 'received', '', 1917072000000000);
INSERT INTO public.forecasts VALUES (1917068400000000, '\x7b2261223a317d');
INSERT INTO public.latest VALUES ('bess.hongshan', 'power_mw', 1917076500000000, 1917072901000000, -3.5);
INSERT INTO public.latest VALUES ('bess.hongshan', 'soc_frac', 1917072000000000, 1917072000040000, 0.5);
INSERT INTO public.memory VALUES ('store.rolled', '\x323033302d31302d30315430383a30303a30302b30303a3030');
INSERT INTO public.memory VALUES ('epoch', '\x3700ff');
INSERT INTO public.minutes VALUES ('bess.hongshan', 'power_mw', 1917072000000000, 15);
INSERT INTO public.overrides VALUES (1, 'bess.hongshan', 'pin', 3, 1917072000000000, NULL, 'li', '试验 ''quoted''; test', 1917072000000000, 1917072001000000, 'li');
INSERT INTO public.plans VALUES ('plan.20301001T080000', 1917072000000000, 'mpc', 0.004, 39900, '\x7b22706c616e5f6964223a22706c616e2e323033303130303154303830303030227d');
INSERT INTO public.plans VALUES ('plan.20301001T081500', 1917072900000000, 'mpc', NULL, NULL, '\x7b7d');
INSERT INTO public.readings VALUES ('bess.hongshan', 'power_mw', 1917072000000000, 1917072000040000, 10);
INSERT INTO public.readings VALUES ('bess.hongshan', 'power_mw', 1917072001000000, 1917072001040000, 20);
INSERT INTO public.readings VALUES ('bess.hongshan', 'power_mw', 1917072900000000, 1917072900040000, 0);
INSERT INTO public.readings VALUES ('bess.hongshan', 'power_mw', 1917076500000000, 1917072901000000, -3.5);
INSERT INTO public.readings VALUES ('bess.hongshan', 'soc_frac', 1917072000000000, 1917072000040000, 0.5);
INSERT INTO public.registers VALUES ('bess.hongshan', 'power_mw', 1917071100000000, 0, 1);
INSERT INTO public.registers VALUES ('bess.hongshan', 'power_mw', 1917072000000000, 15, 0.06666666666666667);
INSERT INTO public.said VALUES ('bess.hongshan', 1, 1, 'command', 1917072001000000, '\x7b22736368656d615f76657273696f6e223a312c2265706f6368223a312c22736571223a312c226973737565645f6174223a22323033302d31302d30315430383a30303a30305a222c22636f6d6d616e64223a7b226b696e64223a22746172676574222c22706f7765725f6d77223a332e307d2c2272616d705f6d775f7065725f6d696e223a6e756c6c2c226c656173655f73223a31352e302c2266616c6c6261636b223a7b22706f696e7473223a5b5d2c22736166655f61667465725f73223a302e302c22736166655f706f7765725f6d77223a6e756c6c2c22736166655f72616d705f6d775f7065725f6d696e223a312e307d2c22706c616e5f6964223a227031222c22726561736f6e223a7b22636f6465223a226d7063222c2274657874223a22222c2270726963655f636e795f7065725f6d7768223a6e756c6c2c226c696d6974223a6e756c6c7d7d');
INSERT INTO public.said VALUES ('bess.hongshan', 1, 1, 'ack', 1917072002000000, '\x7b22736368656d615f76657273696f6e223a312c2265706f6368223a312c22736571223a312c2261636b65645f6174223a22323033302d31302d30315430383a30303a30315a222c226f7574636f6d65223a226163636570746564222c22706f7765725f6d77223a6e756c6c2c22726561736f6e223a6e756c6c7d');
SELECT pg_catalog.setval('public.alarms_number_seq', 1, true);
SELECT pg_catalog.setval('public.asks_number_seq', 3, true);
SELECT pg_catalog.setval('public.audit_number_seq', 4, true);
SELECT pg_catalog.setval('public.events_number_seq', 1, true);
SELECT pg_catalog.setval('public.forecasts_issued_at_seq', 1, false);
SELECT pg_catalog.setval('public.overrides_number_seq', 1, true);
ALTER TABLE ONLY public.alarms
    ADD CONSTRAINT alarms_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.asks
    ADD CONSTRAINT asks_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_event_id_key UNIQUE (event_id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.forecasts
    ADD CONSTRAINT forecasts_pkey PRIMARY KEY (issued_at);
ALTER TABLE ONLY public.latest
    ADD CONSTRAINT latest_pkey PRIMARY KEY (subject, quantity);
ALTER TABLE ONLY public.memory
    ADD CONSTRAINT memory_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.minutes
    ADD CONSTRAINT minutes_pkey PRIMARY KEY (subject, quantity, measured_at);
ALTER TABLE ONLY public.overrides
    ADD CONSTRAINT overrides_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_pkey PRIMARY KEY (plan_id);
ALTER TABLE ONLY public.readings
    ADD CONSTRAINT readings_pkey PRIMARY KEY (subject, quantity, measured_at);
ALTER TABLE ONLY public.registers
    ADD CONSTRAINT registers_pkey PRIMARY KEY (subject, quantity, start);
ALTER TABLE ONLY public.said
    ADD CONSTRAINT said_pkey PRIMARY KEY (asset_id, epoch, seq, word);
CREATE INDEX alarms_by_key ON public.alarms USING btree (key);
CREATE INDEX ix_audit_at ON public.audit USING btree (at);
CREATE INDEX ix_plans_made_at ON public.plans USING btree (made_at);
CREATE INDEX registers_by_start ON public.registers USING btree (start);
CREATE INDEX said_by_time ON public.said USING btree (asset_id, at);
