/* What browsers and browserid.org gave to pages in 2012, for a server with dev_login: navigator.id, with
 * the three calls that an app makes. Whoever has the token that the server printed is believed. */
(function () {
  'use strict';
  if (navigator.id) return;

  var watching = null;

  function token() {
    var found = /#dev=([^&]+)/.exec(location.hash);
    if (found) sessionStorage.setItem('dev', found[1]);
    return sessionStorage.getItem('dev');
  }

  navigator.id = {
    watch: function (options) { watching = options; },
    request: function () {
      var email = prompt('Log in with which e-mail address?', 'you@example.com');
      if (email) watching.onlogin('dev:' + token() + ':' + email);
    },
    logout: function () { watching.onlogout(); }
  };
  token();
})();
