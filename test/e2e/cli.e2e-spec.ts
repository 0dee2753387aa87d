// What the command line says and does, a file for each group of verbs; one product for all, and in this order.
import './cli/one-product.js';
import './cli/apply.js';
import './cli/get.js';
import './cli/status.js';
import './cli/brakes.js';
import './cli/logs.js';
import './cli/tokens.js';
import './cli/conflicts.js';
import './cli/shell.js';
