%% The application that release_handler upgrades: all counters under one supervisor, where it looks for them.
-module(cells_sup).
-behaviour(application).
-behaviour(supervisor).
-export([start/2, stop/1, init/1]).

start(_, _) -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

stop(_) -> ok.

init([]) ->
    Cell = #{id => cell, start => {cells, start_link, []}, restart => temporary, shutdown => brutal_kill, modules => [cells]},
    {ok, {#{strategy => simple_one_for_one}, [Cell]}}.
