// A program that does one thing and ends by itself, if nothing keeps it.
import { isMainThread, Worker } from 'node:worker_threads'
import { SecretAuditService } from 'otel-audit'

const audit = SecretAuditService.fromEnv()

function record(notes) {
  for (const credential of ['one', 'two', 'three']) {
    audit.recordAsync({ credential, operation: 'get_credential', outcome: 'ok', notes })
  }
}

const programs = {
  idle: () => {},
  records: () => record('script'),
  exits: () => {
    record('script')
    process.exit(0)
  },
  throws: () => {
    record('script')
    throw new Error('a fault of the application')
  },
  worker: () => {
    if (isMainThread) new Worker(new URL(import.meta.url))
    else record('worker')
  },
}

console.log('running yes')
programs[process.env.PROGRAM]()
