// The wire form of errors.
import { create } from '@bufbuild/protobuf';
import { type ErrorReport, ErrorReportSchema } from '../gen/kronlens/v1/task_pb.js';
import { KronlensError } from './kronlens-error.js';

const MAX_CAUSES = 8;

/** The report of any thrown value; what is not a KronlensError gets the code 'internal'. */
export function toErrorReport(error: unknown, depth = 0): ErrorReport {
  const known = error instanceof KronlensError ? error : undefined;
  const plain = error instanceof Error ? error : new Error(textOf(error));
  const details = {
    ...known?.details,
    ...(known?.badInput === true ? { 'bad-input': 'true' } : {}),
  };
  const report = create(ErrorReportSchema, {
    code: known?.code ?? 'internal',
    message: plain.message,
    retryable: known?.retryable ?? false,
    stack: plain.stack ?? '',
    details,
  });
  if (plain.cause !== undefined && depth < MAX_CAUSES)
    report.cause = toErrorReport(plain.cause, depth + 1);
  return report;
}

/** What a thrown value that is no Error says; objects without a text form have none to call. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** The error of a report, causes included. */
export function fromErrorReport(report: ErrorReport): KronlensError {
  const { 'bad-input': badInput, ...details } = report.details;
  const error = new KronlensError(report.code, report.message, {
    retryable: report.retryable,
    badInput: badInput === 'true',
    details,
    ...(report.cause === undefined ? {} : { cause: fromErrorReport(report.cause) }),
  });
  if (report.stack !== '') error.stack = report.stack;
  return error;
}
