export { BodyPipe } from './body.pipe.js';
export { NamePipe, isName } from './names.js';
export { PageQuery, decodeCursor, encodeCursor, pageOf } from './page.query.js';
export {
  ProblemError,
  conflict,
  invalidField,
  notFound,
  notNow,
  writeConflict,
  signatureNeeded,
  unreadable,
} from './problem.error.js';
export { ProblemFilter } from './problem.filter.js';
export { MAX_STRANGERS_VALUES, isFewJson, parseOneValue } from './json-text.js';
export { checkExpectation, etagOf, parseIfMatch, type Expectation } from './revision.js';
export { ServedFromMemory, isServedFromMemory } from './served-from-memory.js';
export { strictValidation } from './validation.js';
export { toProblem, toProblemError } from './to-problem.js';
