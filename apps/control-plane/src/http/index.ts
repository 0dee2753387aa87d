export { BodyPipe } from './body.pipe.js';
export { NamePipe, isName } from './names.js';
export { PageQuery, decodeCursor, encodeCursor, pageOf } from './page.query.js';
export { ProblemError, invalidField, notFound } from './problem.error.js';
export { ProblemFilter } from './problem.filter.js';
export { parseOneValue } from './json-text.js';
export { checkExpectation, etagOf, parseIfMatch, type Expectation } from './revision.js';
export { strictValidation } from './validation.js';
export { toProblem, toProblemError } from './to-problem.js';
