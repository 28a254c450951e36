import { Command } from 'commander'
import { VERSION } from '../version.js'
import { addChainsCommand } from './chains.js'
import { addArchiveCommand } from './archive.js'
import { addCoverageCommand } from './coverage.js'
import { addDemoCommand } from './demo.js'
import { addDoctorCommand } from './doctor.js'
import { addKeysCommand } from './keys.js'
import { addEvidenceCommand } from './evidence.js'
import { addExportCommand } from './export.js'
import { addFindCommand } from './find.js'
import { addGatewayCommand } from './gateway.js'
import { addHoldCommand } from './hold.js'
import { addMigrateCommand } from './migrate.js'
import { addQuarantineCommand } from './quarantine.js'
import { addQueryCommand } from './query.js'
import { addReconcileCommand } from './reconcile.js'
import { addReviewCommand } from './review.js'
import { addRetireCommand } from './retire.js'
import { addServeCommand } from './serve.js'
import { addSpoolCommand } from './spool.js'
import { addVerifyCommand } from './verify.js'
import { addSummaryCommand } from './summary.js'
import { addTailCommand } from './tail.js'
import { addTrustCommand } from './trust.js'

/** The command line, with every command of it. It throws a `CommanderError` where commander would end the process. */
export function commandLine(): Command {
  const program = new Command('otel-audit')
    .description('The audit trail of secret access: its tables, rows and proofs.')
    .version(VERSION)
    .helpCommand(false)
    .showHelpAfterError('(run with --help for usage)')
    .configureOutput({
      // As the parser's own errors are.
      outputError: (text, write) => write(text.startsWith('error: ') ? text : `error: ${text}`),
    })
    .exitOverride()
  addDemoCommand(program)
  addMigrateCommand(program)
  addDoctorCommand(program)
  addSpoolCommand(program)
  addVerifyCommand(program)
  addKeysCommand(program)
  addTrustCommand(program)
  addQueryCommand(program)
  addTailCommand(program)
  addExportCommand(program)
  addSummaryCommand(program)
  addFindCommand(program)
  addReviewCommand(program)
  addEvidenceCommand(program)
  addCoverageCommand(program)
  addChainsCommand(program)
  addReconcileCommand(program)
  addServeCommand(program)
  addGatewayCommand(program)
  addQuarantineCommand(program)
  addArchiveCommand(program)
  addRetireCommand(program)
  addHoldCommand(program)
  return program
}
