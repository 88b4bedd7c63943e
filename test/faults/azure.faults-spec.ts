import { describeFaults } from './matrix.js';

describeFaults('azure');
