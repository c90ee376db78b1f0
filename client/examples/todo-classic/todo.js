/* The page: an app of 2012. It knows nothing of the server but what Sync tells it. */
(function () {
  'use strict';

  var list = document.getElementById('items');
  var status = document.getElementById('status');
  var login = document.getElementById('login');
  var items = new Items(show);
  var sync = new Sync(items, {appName: 'todo'});

  function element(name, text) {
    var made = document.createElement(name);
    if (text) made.textContent = text;
    return made;
  }

  function makeItem(item) {
    var line = element('li'), label = element('label'), box = element('input'), gone = element('button', 'Delete');
    box.type = 'checkbox';
    box.checked = item.data.done;
    box.onchange = function () { items.check(item.id, box.checked); show(); };
    label.appendChild(box);
    label.appendChild(element('span', item.data.text));
    gone.setAttribute('aria-label', 'Delete ' + item.data.text);
    gone.onclick = function () { items.remove(item.id); show(); };
    if (item.data.done) line.className = 'done';
    line.appendChild(label);
    line.appendChild(gone);
    return line;
  }

  function show() {
    var all = items.list();
    list.textContent = '';
    for (var i = 0; i < all.length; i++) list.appendChild(makeItem(all[i]));
    document.getElementById('empty').hidden = all.length > 0;
  }

  items.onstatus = function (message) {
    if (message.error) status.textContent = 'Not in step: ' + (message.error.message || message.error);
    else if (message.status === 'sync_done' || message.status === 'sync_put_complete') status.textContent = 'In step with the server';
  };

  document.getElementById('new').onsubmit = function (event) {
    var text = document.getElementById('text');
    event.preventDefault();
    if (text.value.trim()) items.add(text.value.trim());
    text.value = '';
    text.focus();
    show();
  };

  login.onclick = function () { sync.toggleLogin(); };

  sync.watch({
    onlogin: function (email) {
      login.textContent = 'Log out';
      status.textContent = 'Logged in as ' + email;
    },
    onlogout: function () {
      login.textContent = 'Log in';
      status.textContent = 'On this device only';
    },
    onerror: function (error) { status.textContent = 'Not logged in: ' + (error.message || error); }
  });

  show();
})();
