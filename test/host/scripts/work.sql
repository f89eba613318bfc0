-- the SQLite shell: a database in a file, all journal modes, JSON, attach
.bail on
pragma journal_mode=delete;
create table t(id integer primary key, name text, v real); create index i on t(name);
with recursive n(x) as (select 1 union all select x+1 from n where x<50000) insert into t select x, 'name'||(x*7919%50000), x*0.5 from n;
select count(*), sum(v), min(name), max(name) from t; begin; delete from t where id%2; select count(*) from t; rollback; select count(*) from t;
update t set v=v+1 where name like 'name1%'; select round(sum(v),3) from t; create table u as select name, count(*) c from t group by name having id<100; select count(*) from u;
pragma integrity_check; vacuum; pragma journal_mode=wal; insert into t(name,v) values('wal',1); select count(*) from t; pragma wal_checkpoint; pragma journal_mode=truncate; select json_extract('{"a":[1,2,{"b":3}]}','$.a[2].b'), printf('%.3f',1.0/3), hex('ab'), date(0,'unixepoch'); select group_concat(x, ',') from (select distinct id%7 x from t order by 1); attach 'other.db' as o; create table o.c as select * from t where id<1000; select count(*), sum(id) from o.c; detach o; drop table t; pragma page_count;
