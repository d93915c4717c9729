import type pg from 'pg'

/** Rows in one statement and in memory; a row may hold a few texts of 100,000 characters. */
const ROWS = 100
/** A dump of a large table may take its time; each step has this long, ms. */
const STEP_MS = 10 * 60_000

const ENUMS = `
  select format('CREATE TYPE %I AS ENUM (%s);', typname, string_agg(quote_literal(enumlabel), ', ' order by enumsortorder)) as sql
    from pg_enum join pg_type t on t.oid = enumtypid
   where typnamespace = 'public'::regnamespace group by typname order by typname`

const TABLES = `
  select c.oid::text as oid, quote_ident(c.relname) as name,
         array(select quote_ident(a.attname) from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                order by a.attnum) as columns,
         (select coalesce(string_agg(format('  %I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                   case when a.attgenerated <> '' then format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
                        else ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) end,
                   case when a.attnotnull then ' NOT NULL' end), ',\n' order by a.attnum), '')
            from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as body
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by c.relname`

const CONSTRAINTS = `
  select contype = 'f' as foreign, format('ALTER TABLE %s ADD CONSTRAINT %I %s;', conrelid::regclass, conname, pg_get_constraintdef(oid)) as sql
    from pg_constraint
   where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'c', 'x', 'f') and conrelid <> 0
   order by conrelid::regclass::text, conname`

const INDEXES = `
  select pg_get_indexdef(i.indexrelid) || ';' as sql from pg_index i join pg_class c on c.oid = i.indexrelid
   where c.relnamespace = 'public'::regnamespace
     and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
   order by c.relname`

/** What somebody added that this dump has no words for. */
const LEFT_OUT = `
  select format('%s %I.%I', case relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
                nspname, relname) as name
    from pg_class join pg_namespace n on n.oid = relnamespace
   where nspname !~ '^(pg_|information_schema$)' and relkind in ('S', 'v', 'm', 'f', 'p', 'r')
     and not (relkind = 'r' and nspname = 'public')
  union all
  select format('function %s', p.oid::regprocedure) from pg_proc p join pg_namespace n on n.oid = pronamespace
   where nspname !~ '^(pg_|information_schema$)'
  union all
  select format('trigger %I on %s', tgname, tgrelid::regclass) from pg_trigger where not tgisinternal
  order by 1`

/**
 * The schema `public` of a database as SQL, in pieces, as of one moment: enums, tables, rows, then keys,
 * indexes and foreign keys. The packaged PostgreSQL brings no pg_dump. What it leaves out (views, functions,
 * sequences, which Scrum4Me has none of) it says in a comment. `client` is used up: do not give it back.
 */
export async function* dumpSql(client: pg.ClientBase, title: string): AsyncGenerator<string> {
  await ask(client, 'set statement_timeout = 0')
  await ask(client, `set datestyle = 'ISO'; set intervalstyle = 'postgres'; set search_path = public`)
  await ask(client, 'begin isolation level repeatable read read only')
  yield `-- ${title}\n-- Load into an empty database: psql -v ON_ERROR_STOP=1 -f FILE\n`
  for (const { name } of await ask<{ name: string }>(client, LEFT_OUT)) yield `-- Left out: ${name}\n`
  yield `BEGIN;\nSET client_encoding = 'UTF8';\nSET search_path = public;\n`
  for (const { sql } of await ask<{ sql: string }>(client, ENUMS)) yield `${sql}\n`
  const tables = await ask<{ oid: string; name: string; columns: string[]; body: string }>(client, TABLES)
  for (const { name, body } of tables) yield `CREATE TABLE ${name} (\n${body}\n);\n`
  for (const { name, columns } of tables) yield* dumpRows(client, name, columns)
  const constraints = await ask<{ foreign: boolean; sql: string }>(client, CONSTRAINTS)
  for (const { sql } of constraints.filter((one) => !one.foreign)) yield `${sql}\n`
  for (const { sql } of await ask<{ sql: string }>(client, INDEXES)) yield `${sql}\n`
  // Last: they need the rows of both sides and the unique index they refer to.
  for (const { sql } of constraints.filter((one) => one.foreign)) yield `${sql}\n`
  yield 'COMMIT;\n'
}

async function* dumpRows(
  client: pg.ClientBase,
  table: string,
  columns: readonly string[],
): AsyncGenerator<string> {
  if (columns.length === 0) return
  // The server quotes: a literal without type takes the type of its column on the way back.
  const literals = columns.map((column) => `quote_nullable(${column}::text)`).join(` || ', ' || `)
  await ask(
    client,
    `declare dump_rows no scroll cursor for select '(' || ${literals} || ')' as row from ${table}`,
  )
  for (;;) {
    const rows = await ask<{ row: string }>(client, `fetch ${ROWS} from dump_rows`)
    if (rows.length === 0) break
    const values = rows.map(({ row }) => row).join(',\n')
    yield `INSERT INTO ${table} (${columns.join(', ')}) VALUES\n${values};\n`
  }
  await ask(client, 'close dump_rows')
}

async function ask<R extends pg.QueryResultRow>(client: pg.ClientBase, text: string): Promise<R[]> {
  // `query_timeout` is read per query too, which the published types leave out.
  const query: pg.QueryConfig & { query_timeout: number } = { text, query_timeout: STEP_MS }
  return (await client.query<R>(query)).rows
}
