// What the compiler does not carry over: the SQL of the migrations and statements.
import { cpSync, existsSync } from 'node:fs'

const sql = 'src/sink/postgres'
if (existsSync(sql)) {
  cpSync(sql, 'dist/sink/postgres', {
    recursive: true,
    filter: (path) => !/\.[a-z]+$/.test(path) || path.endsWith('.sql'),
  })
}
